/** The pieces that mdadm's reports are made of. Lines come without newlines; joinLines ends each with one. */
import { MD_LEVEL_BY_NUMBER } from "../formats/md/superblock.ts";
import { layoutName } from "../formats/md/layout-names.ts";

export function joinLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

/** "     Raid Level : raid5": the label to the right of a column. */
export function labelled(width: number, label: string, value: string | number): string {
  return `${label.padStart(width)} : ${value}`;
}

const SMALLEST_SHOWN = 5000 * 1024;

interface Units {
  readonly base: number;
  readonly names: readonly [string, string, string];
}
const IEC: Units = { base: 1024, names: ["MiB", "GiB", "TiB"] };
const JEDEC: Units = { base: 1000, names: ["MB", "GB", "TB"] };

/** Two decimals, rounded half up. The step from one unit to the next is at 2 GiB and 2 TiB for both kinds. */
function inUnits(bytes: number, { base, names }: Units, gap: string): string {
  const step = bytes < 2 * 1024 ** 3 ? 0 : bytes < 2 * 1024 ** 4 ? 1 : 2;
  const unit = base ** (step + 2);
  // In two steps: 200 times the bytes of a big array are beyond what a number holds exactly.
  const whole = Math.floor(bytes / unit);
  const hundredths = Math.floor((Math.floor(((bytes - whole * unit) * 200) / unit) + 1) / 2);
  const cents = String(hundredths % 100).padStart(2, "0");
  return `${whole + Math.floor(hundredths / 100)}.${cents}${gap}${names[step]}`;
}

/** " (21.00 MiB 22.02 MB)", empty below 5000 KiB. */
export function humanBoth(bytes: number): string {
  if (bytes < SMALLEST_SHOWN) return "";
  return ` (${inUnits(bytes, IEC, " ")} ${inUnits(bytes, JEDEC, " ")})`;
}

/** "22.02MB" or "21.00MiB"; empty below 5000 KiB. */
export function humanBrief(bytes: number, kind: "iec" | "jedec"): string {
  return bytes < SMALLEST_SHOWN ? "" : inUnits(bytes, kind === "iec" ? IEC : JEDEC, "");
}

/** What stands behind "Layout : "; null where the level shows none. */
export function layoutText(level: number, layout: number): string | null {
  if (level === 10) return raid10LayoutText(layout);
  if (level === 0 && layout === 0) return null;
  const name = MD_LEVEL_BY_NUMBER.get(level);
  if (name === undefined || ![0, 5, 6].includes(level)) return null;
  const text = layoutName(name, layout);
  return text.startsWith("unknown") ? "-unknown-" : text;
}

function raid10LayoutText(layout: number): string {
  const near = layout & 0xff;
  const far = (layout >>> 8) & 0xff;
  if (near === 1 && far === 1) return "NO REDUNDANCY";
  const parts: string[] = [];
  if (near !== 1) parts.push(`near=${near}`);
  if (far !== 1) parts.push(`${(layout & 0x10000) === 0 ? "far" : "offset"}=${far}`);
  return parts.join(", ");
}

/** Levels that say their chunk size. */
export function hasChunks(level: number): boolean {
  return [0, 4, 5, 6, 10].includes(level);
}

/** KiB of an array whose members give `componentKib` each; null for levels that do not tell it from that. */
export function arrayKib(
  level: number,
  layout: number,
  raidDisks: number,
  componentKib: number,
): number | null {
  switch (level) {
    case 1:
      return componentKib;
    case 4:
    case 5:
      return componentKib * (raidDisks - 1);
    case 6:
      return componentKib * (raidDisks - 2);
    case 10: {
      const copies = (layout & 0xff) * ((layout >>> 8) & 0xff);
      return copies === 0 ? null : Math.floor((componentKib * raidDisks) / copies);
    }
    default:
      return null;
  }
}

/** The part of "host:name" behind the colon. */
export function bareName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

/** Is it an array of this host? Its name then begins with "host:". */
export function isLocalName(name: string, homehost: string | null): boolean {
  return homehost !== null && homehost !== "" && name.startsWith(`${homehost}:`);
}
