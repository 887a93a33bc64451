/** What is wrong with an array whatever its devices are: told before one of them is looked at. */
import type { CreateCommand } from "../command.ts";

const LEAST_SIZE_SECTORS = 2048;
const LEAST_RAID6 = 4;

export interface ShapeRefusal {
  readonly exitCode: 1 | 2;
  readonly text: string;
}

function optionsRefusal(command: CreateCommand): string | null {
  const { size, writeBehind, writeJournal, bitmap, metadata, level, layout } = command;
  const is090 = metadata?.kind === "native" && metadata.version === "0.90";
  if (is090 && level === "raid0" && layout !== null)
    return "0.90 metadata does not support layouts for RAID0";
  if (size !== null && size !== "max" && size < LEAST_SIZE_SECTORS)
    return "Given size must be greater than 1M.";
  if (writeBehind !== null && bitmap?.kind !== "internal")
    return "write-behind mode requires a bitmap.";
  if (writeJournal !== null && !["raid4", "raid5", "raid6"].includes(level))
    return "--write-journal is only supported for RAID level 4/5/6.";
  return null;
}

function levelRefusal({ level, layout, raidDevices, bitmap }: CreateCommand): string | null {
  if (level === "raid6" && raidDevices < LEAST_RAID6)
    return `at least ${LEAST_RAID6} raid-devices needed for level 6`;
  if (bitmap?.kind === "internal" && (level === "linear" || level === "raid0"))
    return `bitmaps not meaningful with level ${level}`;
  const copies =
    level === "raid10" && layout !== null ? (layout & 0xff) * ((layout >>> 8) & 0xff) : 1;
  if (raidDevices < copies) return `that layout requires at least ${copies} devices`;
  return null;
}

export function shapeRefusal(command: CreateCommand): ShapeRefusal | null {
  const options = optionsRefusal(command);
  if (options !== null) return { exitCode: 2, text: options };
  const level = levelRefusal(command);
  return level === null ? null : { exitCode: 1, text: level };
}
