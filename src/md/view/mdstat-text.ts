/** /proc/mdstat, as kernels from 6.1 on print it. Facts: status_show of md.c and the raid modules; recorded golden text. */
import { isRunning, slotsInSync } from "./array-view.ts";
import type { ArrayView, BitmapView, MemberView, SyncView } from "./array-view.ts";
import { levelText } from "../../formats/md/layout-names.ts";

/** Every line behind the first begins so. */
const INDENT = "      ";

function memberText(member: MemberView): string {
  const { device, number, slot, writeMostly, journal, faulty, replacement } = member;
  const text = `${device}[${number}]${writeMostly ? "(W)" : ""}${journal ? "(J)" : ""}`;
  if (faulty) return `${text}(F)`;
  const isSpare = slot === null && !journal;
  return `${text}${isSpare ? "(S)" : ""}${replacement ? "(R)" : ""}`;
}

function headText(view: ArrayView): string {
  const running = isRunning(view);
  const parts = [view.kernelName, ":", running ? "active" : "inactive"];
  if (view.state === "readonly") parts.push("(read-only)");
  if (view.state === "read-auto") parts.push("(auto-read-only)");
  if (running) parts.push(levelText(view.level));
  return [...parts, ...view.members.map(memberText)].join(" ");
}

function superText(metadata: string): string {
  if (metadata === "0.90") return "";
  return metadata === "none" ? " super non-persistent" : ` super ${metadata}`;
}

function slotsText(view: ArrayView): string {
  const slots = slotsInSync(view);
  const inSync = view.raidDisks - view.degraded;
  return ` [${view.raidDisks}/${inSync}] [${slots.map((good) => (good ? "U" : "_")).join("")}]`;
}

function raid10Text(layout: number, raidDisks: number, chunkKib: number): string {
  const near = layout & 0xff;
  const far = (layout >>> 8) & 0xff;
  const words: string[] = [];
  if (near < raidDisks) words.push(` ${chunkKib}K chunks`);
  if (near > 1) words.push(` ${near} near-copies`);
  if (far > 1) words.push(` ${far} ${(layout & 0x10000) === 0 ? "far" : "offset"}-copies`);
  return words.join("");
}

/** What the level's own module adds. */
function shapeText(view: ArrayView): string {
  const kib = view.chunkBytes / 1024;
  // In a reshape the chunk size is already the new one, the layout still the old one.
  const newKib = (view.reshape?.newChunkBytes ?? view.chunkBytes) / 1024;
  switch (view.level) {
    case 1:
      return slotsText(view);
    case 4:
    case 5:
    case 6:
      return ` level ${view.level}, ${newKib}k chunk, algorithm ${view.layout}${slotsText(view)}`;
    case 10:
      return `${raid10Text(view.layout, view.raidDisks, kib)}${slotsText(view)}`;
    case 0:
      return ` ${kib}k chunks`;
    case -1:
      return ` ${kib}k rounding`;
    default:
      return "";
  }
}

const LABELS: Readonly<Record<SyncView["kind"], string>> = {
  resync: "resync",
  repair: "resync",
  check: "check",
  recovery: "recovery",
  reshape: "reshape",
};

const BAR_CHARACTERS = 20;

/** As the kernel counts them: in whole 512 KiB, and one more of all than there are. */
export function permilleOf(doneSectors: number, totalSectors: number): number {
  return Math.floor(
    (Math.floor(doneSectors / 1024) * 1000) / (Math.floor(totalSectors / 1024) + 1),
  );
}

/** A bar, permille, KiB done of all, minutes left and KiB a second, with the kernel's integer arithmetic. */
function progressText({ kind, doneSectors, totalSectors, ...mark }: SyncView): string {
  const done = Math.floor(doneSectors / 2);
  const total = Math.floor(totalSectors / 2);
  const permille = permilleOf(doneSectors, totalSectors);
  const filled = Math.min(Math.floor(permille / 50), BAR_CHARACTERS);
  const bar = `${"=".repeat(filled)}>${".".repeat(BAR_CHARACTERS - filled)}`;
  const percent = `${String(Math.floor(permille / 10)).padStart(3)}.${permille % 10}`;
  const seconds = Math.max(Math.floor(mark.sinceMarkSeconds), 1);
  const left = totalSectors - doneSectors;
  const secondsLeft = Math.floor(
    (Math.floor(left / (Math.floor(mark.sinceMarkSectors / 32) + 1)) * seconds) / 32,
  );
  const minutes = `${Math.floor(secondsLeft / 60)}.${Math.floor((secondsLeft % 60) / 6)}`;
  const speed = Math.floor(Math.floor(mark.sinceMarkSectors / 2) / seconds);
  return `[${bar}]  ${LABELS[kind]} =${percent}% (${done}/${total}) finish=${minutes}min speed=${speed}K/sec`;
}

function syncText(sync: SyncView): string {
  switch (sync.phase) {
    case "delayed":
      return `\tresync=DELAYED`;
    case "pending":
      return `\tresync=PENDING`;
    case "running":
      return progressText(sync);
  }
}

function bitmapText({ pages, usedPages, chunkBytes, path }: BitmapView): string {
  const chunk = chunkBytes < 1024 ? `${chunkBytes}B` : `${chunkBytes / 1024}KB`;
  const file = path === null ? "" : `, file: ${path}`;
  return `bitmap: ${usedPages}/${pages} pages [${usedPages * 4}KB], ${chunk} chunk${file}`;
}

/** An array's lines, and the empty one behind. */
function arrayText(view: ArrayView): string {
  const running = isRunning(view);
  const kib = running
    ? view.arrayKib
    : view.members.reduce((sum, member) => sum + member.sizeKib, 0);
  const size = kib === 0 && !running ? "" : `${INDENT}${kib} blocks${superText(view.metadata)}`;
  const head = `${headText(view)}\n${size}`;
  if (!running) return `${head}\n ${INDENT}\n`;
  const lines = [`${head}${shapeText(view)}`];
  if (view.sync !== null) lines.push(`${INDENT}${syncText(view.sync)}`);
  return `${lines.join("\n")}\n${INDENT}${view.bitmap === null ? "" : `${bitmapText(view.bitmap)}\n`}\n`;
}

/**
 * @param personalities in the order in which mdstat lists them, the latest first: "raid6", "raid5", "raid4"
 * @param arrays newest first
 */
export function mdstatText(personalities: readonly string[], arrays: readonly ArrayView[]): string {
  const names = personalities.map((name) => `[${name}] `).join("");
  return `Personalities : ${names}\n${arrays.map(arrayText).join("")}unused devices: <none>\n`;
}
