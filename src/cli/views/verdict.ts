/** Sentences about whether a set can be opened, and what to type next. */
import type { SetVerdict } from "../../md/verdict.ts";
import type { MemberReport, VolumeReport } from "../../volume/report.ts";
import type { Tone } from "../style.ts";
import { shellWord } from "../../base/shell.ts";
import { counted } from "../text.ts";

export function verdictTone(verdict: SetVerdict): Tone {
  switch (verdict.kind) {
    case "can-start":
      return verdict.degradedBy === 0 ? "good" : "warning";
    case "needs-force":
      return "warning";
    case "cannot-start":
      return "bad";
  }
}

/** Without the name in front: "can be opened". No full stop. */
export function verdictText(verdict: SetVerdict, raidDisks: number): string {
  switch (verdict.kind) {
    case "can-start":
      return verdict.degradedBy === 0
        ? "can be opened"
        : `can be opened with ${verdict.degradedBy} of ${counted(raidDisks, "member")} missing`;
    case "needs-force":
      return `needs --force: ${trimStop(verdict.reason)}; the risk: ${trimStop(verdict.risk)}`;
    case "cannot-start":
      return `cannot be opened: ${trimStop(verdict.reason)}; ${trimStop(verdict.remedy)}`;
  }
}

export function trimStop(sentence: string): string {
  return sentence.replace(/\.\s*$/, "");
}

/** The command that goes on from here; null when no command of ours helps. */
export function nextCommand(
  volume: VolumeReport,
  paths: readonly string[],
  isOnlyOne: boolean,
): string | null {
  const words = paths.map(shellWord);
  const choice = isOnlyOne ? [] : ["--volume", shellWord(volume.name)];
  switch (volume.verdict.kind) {
    case "can-start":
      return ["holdfast open", ...words, ...choice].join(" ");
    case "needs-force":
      return ["holdfast examine --explain", ...words].join(" ");
    case "cannot-start":
      return null;
  }
}

/** Members that stand in a slot of the array and hold data. */
export function usableMembers(volume: VolumeReport): readonly MemberReport[] {
  return volume.members.filter(
    ({ state, replacement }) => !replacement && (state === "in-sync" || state === "recovering"),
  );
}

/** "raid5 of 4 disks". */
export function shapeText(volume: VolumeReport): string {
  return `${volume.level} of ${counted(volume.raidDisks, "disk")}`;
}
