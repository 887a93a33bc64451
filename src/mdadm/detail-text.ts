/** mdadm --detail, --brief and --export of a running array, as version 4.2 prints them. */
import { isLocal090 } from "../formats/md/homehost.ts";
import { levelText } from "../formats/md/layout-names.ts";
import { ctimeText } from "../base/dates.ts";
import { isRunning, slotsInSync } from "../md/view/array-view.ts";
import type { ArrayView, MemberView, ReshapeView } from "../md/view/array-view.ts";
import { permilleOf } from "../md/view/mdstat-text.ts";
import { hasChunks, humanBoth, isLocalName, joinLines, labelled, layoutText } from "./text.ts";

export interface DetailContext {
  readonly homehost: string | null;
  /** Can the level work with the members that are in sync? (src/md/enough.ts) */
  readonly hasEnough: boolean;
}

const line = (label: string, value: string | number): string => labelled(18, label, value);

function kibText(kib: number): string {
  return `${kib}${humanBoth(kib * 1024)}`;
}

function sizeLines(view: ArrayView): string[] {
  const lines: string[] = [];
  if (view.arrayKib > 0) lines.push(line("Array Size", kibText(view.arrayKib)));
  if (view.level >= 1) lines.push(line("Used Dev Size", kibText(view.componentKib)));
  return lines;
}

const BITMAP_WORDS = { internal: "Internal", clustered: "Internal(Clustered)" } as const;

function bitmapLines({ bitmap }: ArrayView): string[] {
  if (bitmap === null) return [];
  const word = bitmap.kind === "file" ? (bitmap.path ?? "") : BITMAP_WORDS[bitmap.kind];
  return [line("Intent Bitmap", word), ""];
}

/** Of --detail: a member that is being filled is a spare that rebuilds. */
type Part = "active" | "failed" | "spare" | "journal";

function partOf({ faulty, journal, inSync, slot }: MemberView): Part {
  if (faulty) return "failed";
  if (journal) return "journal";
  return inSync && slot !== null ? "active" : "spare";
}

const SYNC_WORDS = {
  resync: "resyncing",
  check: "checking",
  repair: "resyncing",
  recovery: "recovering",
  reshape: "reshaping",
} as const;

const PHASE_WORDS = { running: "", delayed: " (DELAYED)", pending: " (PENDING)" } as const;

function conditionWord(view: ArrayView, hasEnough: boolean): string {
  const good = slotsInSync(view).filter(Boolean).length;
  if (good >= view.raidDisks) return "";
  return hasEnough ? ", degraded" : ", FAILED";
}

function cleanWord({ level, state }: ArrayView): string {
  // Levels without redundancy are never dirty; they say the kernel's word.
  if (level === 0 || level === -1) return state;
  const isDirty = state === "active" || state === "write-pending" || state === "active-idle";
  return isDirty ? "active" : "clean";
}

/** With its one trailing blank. */
function stateText(view: ArrayView, hasEnough: boolean): string {
  if (!isRunning(view)) return "inactive";
  const { sync } = view;
  const doing = sync === null ? "" : `, ${SYNC_WORDS[sync.kind]}`;
  const started = view.arrayKib === 0 ? ", Not Started" : "";
  const phase = sync === null ? "" : PHASE_WORDS[sync.phase];
  return `${cleanWord(view)}${conditionWord(view, hasEnough)}${doing}${started}${phase} `;
}

function countLines(view: ArrayView): string[] {
  const parts = view.members.map(partOf);
  const count = (part: Part): number => parts.filter((each) => each === part).length;
  return [
    line("Active Devices", count("active")),
    line("Working Devices", view.members.length - count("failed")),
    line("Failed Devices", count("failed")),
    line("Spare Devices", count("spare")),
  ];
}

function layoutLines(view: ArrayView): string[] {
  const layout = layoutText(view.level, view.layout);
  const lines = layout === null ? [] : [line("Layout", layout)];
  const kib = `${view.chunkBytes / 1024}K`;
  if (hasChunks(view.level)) return [...lines, line("Chunk Size", kib), ""];
  return view.level === -1 ? [...lines, line("Rounding", kib), ""] : lines;
}

const STATUS_WORDS = {
  resync: "Resync",
  check: "Check",
  repair: "Resync",
  recovery: "Rebuild",
  reshape: "Reshape",
} as const;

function reshapeLines(view: ArrayView, reshape: ReshapeView): string[] {
  const lines: string[] = [];
  const { deltaDisks, newLevel, newLayout, newChunkBytes } = reshape;
  if (deltaDisks !== 0)
    lines.push(
      line("Delta Devices", `${deltaDisks}, (${view.raidDisks - deltaDisks}->${view.raidDisks})`),
    );
  if (newLevel !== view.level) lines.push(line("New Level", levelText(newLevel)));
  const layout = layoutText(newLevel, newLayout);
  if (newLayout !== view.layout && layout !== null) lines.push(line("New Layout", layout));
  if (newChunkBytes !== view.chunkBytes)
    lines.push(line("New Chunksize", `${newChunkBytes / 1024}K`));
  return lines;
}

function progressLines(view: ArrayView): string[] {
  const { sync, reshape } = view;
  const lines: string[] = [];
  if (sync?.phase === "running") {
    // It reads the percentage out of mdstat.
    const percent = Math.floor(permilleOf(sync.doneSectors, sync.totalSectors) / 10);
    lines.push(line(`${STATUS_WORDS[sync.kind]} Status`, `${percent}% complete`));
  }
  if (reshape !== null) lines.push(...reshapeLines(view, reshape));
  return lines.length === 0 ? [] : [...lines, ""];
}

/** Of a 0.90 the count is shown as two halves. */
function eventsText({ metadata, events }: ArrayView): string {
  if (metadata !== "0.90") return String(events);
  return `${Math.floor(events / 2 ** 32)}.${events % 2 ** 32}`;
}

function superLines(view: ArrayView, { homehost }: DetailContext): string[] {
  if (view.uuid === null) return [];
  const lines: string[] = [];
  if (view.name !== null) {
    const local = isLocalName(view.name, homehost) ? `  (local to host ${homehost})` : "";
    lines.push(line("Name", `${view.name}${local}`));
  }
  const isLocal = view.metadata === "0.90" && isLocal090(view.uuid, homehost);
  const local = isLocal ? ` (local to host ${homehost})` : "";
  return [...lines, line("UUID", `${view.uuid}${local}`), line("Events", eventsText(view)), ""];
}

/** "set-A" and so on: which of a near layout's copies a slot holds; "" where copies do not divide the members. */
function setWord(view: ArrayView, slot: number): string {
  const near = view.layout & 0xff;
  const isPlain = view.level === 10 && (view.layout & ~0xff) === 0x100;
  if (!isPlain || near < 2 || view.raidDisks % near !== 0) return "";
  return ` set-${String.fromCodePoint(65 + (slot % near))}`;
}

function memberWords(view: ArrayView, member: MemberView): string {
  const { faulty, journal, inSync, slot, writeMostly, failFast } = member;
  const isActive = inSync && slot !== null && !faulty && !journal;
  const words: string[] = [];
  if (faulty) words.push(" faulty");
  if (isActive) words.push(` active sync${setWord(view, slot)}`);
  if (writeMostly) words.push(" writemostly");
  if (failFast) words.push(" failfast");
  if (journal) words.push(" journal");
  if (!faulty && !isActive && !journal)
    words.push(slot !== null && slot < view.raidDisks ? " spare rebuilding" : " spare");
  return words.join("");
}

function numberText(value: number | null): string {
  return (value === null ? "-" : String(value)).padStart(5);
}

function memberLine(view: ArrayView, member: MemberView): string {
  const { number, major, minor, journal, faulty, path } = member;
  const slot = journal || faulty ? null : member.slot;
  return `   ${numberText(number)}   ${numberText(major)}    ${numberText(minor)}    ${numberText(slot)}     ${memberWords(view, member)}   ${path ?? "missing"}`;
}

function tableLines(view: ArrayView): string[] {
  if (view.members.length === 0) return [];
  const inSlot = (slot: number, replacement: boolean): MemberView | undefined =>
    view.members.find(
      (each) =>
        each.slot === slot && each.replacement === replacement && !each.faulty && !each.journal,
    );
  const lines: string[] = [];
  const shown = new Set<MemberView>();
  for (let slot = 0; slot < view.raidDisks; slot += 1) {
    const main = inSlot(slot, false);
    const replacement = inSlot(slot, true);
    if (main === undefined && replacement === undefined)
      lines.push(
        `   ${numberText(null)}   ${numberText(0)}    ${numberText(0)}    ${numberText(slot)}      removed`,
      );
    for (const member of [main, replacement])
      if (member !== undefined) {
        shown.add(member);
        lines.push(memberLine(view, member));
      }
  }
  const others = view.members
    .filter((member) => !shown.has(member))
    .toSorted((a, b) => a.number - b.number);
  if (others.length > 0) lines.push("", ...others.map((member) => memberLine(view, member)));
  return ["    Number   Major   Minor   RaidDevice State", ...lines];
}

/** `mdadm --detail PATH`. */
export function detailText(view: ArrayView, context: DetailContext): string {
  const isPersistent = view.metadata !== "none";
  return joinLines([
    `${view.path}:`,
    ...(isPersistent ? [line("Version", view.metadata)] : []),
    line("Creation Time", ctimeText(view.createdSeconds)),
    line("Raid Level", levelText(view.level)),
    ...sizeLines(view),
    line("Raid Devices", view.raidDisks),
    line("Total Devices", view.members.length),
    ...(view.preferredMinor === null ? [] : [line("Preferred Minor", view.preferredMinor)]),
    line("Persistence", `Superblock is ${isPersistent ? "" : "not "}persistent`),
    "",
    ...bitmapLines(view),
    line("Update Time", ctimeText(view.updatedSeconds)),
    line("State", stateText(view, context.hasEnough)),
    ...countLines(view),
    "",
    ...layoutLines(view),
    line("Consistency Policy", view.consistencyPolicy),
    "",
    ...progressLines(view),
    ...superLines(view, context),
    ...tableLines(view),
  ]);
}

function sparesOf(view: ArrayView): number {
  return view.members.map(partOf).filter((part) => part === "spare").length;
}

/** `mdadm --detail --brief PATH`: a line for mdadm.conf. */
export function detailBriefText(view: ArrayView, verbose: boolean): string {
  const head = isRunning(view) ? "ARRAY" : "INACTIVE-ARRAY";
  const words = [head, view.path];
  if (verbose) words.push(`level=${levelText(view.level)}`, `num-devices=${view.raidDisks}`);
  if (view.metadata !== "none") words.push(`metadata=${view.metadata}`);
  if (view.bitmap?.kind === "file") words.push(`bitmap=${view.bitmap.path ?? ""}`);
  const spares = sparesOf(view);
  if (spares > 0) words.push(`spares=${spares}`);
  if (view.name !== null && view.name !== "") words.push(`name=${view.name}`);
  if (view.uuid !== null) words.push(`UUID=${view.uuid}`);
  const paths = view.members.flatMap(({ path }) => (path === null ? [] : [path])).toSorted();
  return joinLines([words.join(" "), ...(verbose ? [`   devices=${paths.join(",")}`] : [])]);
}

/** `mdadm --detail --export PATH`: NAME=value lines. */
export function detailExportText(view: ArrayView): string {
  const lines = [
    `MD_LEVEL=${levelText(view.level)}`,
    `MD_DEVICES=${view.raidDisks}`,
    `MD_METADATA=${view.metadata}`,
  ];
  if (view.uuid !== null) lines.push(`MD_UUID=${view.uuid}`);
  if (view.path.startsWith("/dev/md/")) lines.push(`MD_DEVNAME=${view.path.slice(8)}`);
  if (view.name !== null && view.name !== "") lines.push(`MD_NAME=${view.name}`);
  for (const member of view.members) {
    const key = `MD_DEVICE_dev_${member.device.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
    lines.push(`${key}_ROLE=${member.slot ?? (member.journal ? "journal" : "spare")}`);
    if (member.path !== null) lines.push(`${key}_DEV=${member.path}`);
  }
  return joinLines(lines);
}
