/** What is to be said of a volume below its headline: what is on it, members that are not simply in sync, notes. */
import type { MemberReport, VolumeReport } from "../../volume/report.ts";
import type { Tone } from "../style.ts";
import type { TableStyle } from "../table.ts";
import { wrapIndented } from "../text.ts";
import { trimStop } from "./verdict.ts";

const INDENT = 2;

const MEMBER_TONES: Readonly<Record<MemberReport["state"], Tone>> = {
  "in-sync": "plain",
  recovering: "warning",
  spare: "dim",
  journal: "plain",
  stale: "warning",
  faulty: "bad",
  foreign: "bad",
  duplicate: "warning",
  missing: "bad",
};

/** A slot whose old member is there but of no use needs no second line that says it is missing. */
function isSaidElsewhere(member: MemberReport, all: readonly MemberReport[]): boolean {
  if (member.state !== "missing") return false;
  return all.some(({ path, slot, replacement }) => {
    return path !== null && slot === member.slot && replacement === member.replacement;
  });
}

function memberSentence(member: MemberReport): string {
  const slot = member.slot === null ? "" : ` ${member.slot}`;
  const what = `${member.replacement ? "replacement" : "member"}${slot}`;
  const who = member.path === null ? what : `${member.path} (${what})`;
  const note = member.note === null ? "" : `: ${trimStop(member.note)}`;
  return `${who} is ${member.state}${note}.`;
}

/** The volume's strings are printable. */
export function detailLines(
  volume: VolumeReport,
  { width, paint }: Pick<TableStyle, "width" | "paint">,
): string[] {
  const contents = (volume.content ?? []).map(({ text }) => text).join(", ");
  const members = volume.members.filter(
    (member) =>
      (member.state !== "in-sync" || member.note !== null) &&
      !isSaidElsewhere(member, volume.members),
  );
  return [
    ...(contents === "" ? [] : wrapIndented(`On it: ${contents}.`, INDENT, width)),
    ...members.flatMap((member) =>
      wrapIndented(memberSentence(member), INDENT, width).map((line) =>
        paint(line, MEMBER_TONES[member.state]),
      ),
    ),
    ...volume.notes.flatMap((note) => wrapIndented(`Note: ${trimStop(note)}.`, INDENT, width)),
  ];
}
