/** mdadm --examine-bitmap (-X), byte for byte as version 4.2 prints it. */
import { BITMAP_MAGIC } from "../formats/md/bitmap.ts";
import type { MdBitmap } from "../formats/md/bitmap.ts";
import { mdUuid } from "../codec/uuid.ts";
import { humanBoth, joinLines, labelled } from "./text.ts";

export interface ExaminedBitmap {
  /** Of the member, or of the file. */
  readonly path: string;
  readonly bitmap: MdBitmap;
  /** The state word of the bitmap's superblock. */
  readonly state: number;
  /** countDirty() of bitmap-runs.ts; null leaves the line away (--brief). */
  readonly dirtyChunks: number | null;
  /** The member has a 0.90 superblock: UUIDs are shown as words of the host. */
  readonly nativeUuid: boolean;
}

const line = (label: string, value: string | number): string => labelled(16, label, value);

const OUT_OF_DATE = 2;

function stateText(state: number): string {
  if (state === 0) return "OK";
  return state === OUT_OF_DATE ? "Out of date" : "Unknown";
}

function chunkText(bytes: number): string {
  const steps = ["B", "KB", "MB", "GB"];
  let step = 0;
  let value = bytes;
  while (value >= 1024 && step < steps.length - 1) {
    value = Math.floor(value / 1024);
    step += 1;
  }
  return `${value} ${steps[step]}`;
}

/** With one decimal as printf rounds it: exactly half goes to the even digit. */
function percentText(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : (100 * part) / whole;
  const isHalfDown = percent % 1 === 0.25;
  return isHalfDown ? (percent - 0.05).toFixed(1) : percent.toFixed(1);
}

function uuidText(uuid: Uint8Array, native: boolean): string {
  if (!native) return mdUuid(uuid);
  const view = new DataView(uuid.buffer, uuid.byteOffset, 16);
  return [0, 4, 8, 12]
    .map((at) => view.getUint32(at, true).toString(16).padStart(8, "0"))
    .join(":");
}

export function examineBitmapText(examined: ExaminedBitmap): string {
  const { path, bitmap, state, dirtyChunks, nativeUuid } = examined;
  const kib = Math.floor(bitmap.syncSectors / 2);
  const dirty = dirtyChunks ?? 0;
  return joinLines([
    line("Filename", path),
    line("Magic", BITMAP_MAGIC.toString(16).padStart(8, "0")),
    line("Version", bitmap.major),
    line("UUID", uuidText(bitmap.uuid, nativeUuid)),
    line("Events", bitmap.events),
    line("Events Cleared", bitmap.eventsCleared),
    line("State", stateText(state)),
    line("Chunksize", chunkText(bitmap.chunkSectors * 512)),
    line("Daemon", `${bitmap.daemonSleepSeconds}s flush period`),
    line(
      "Write Mode",
      bitmap.writeBehind === 0 ? "Normal" : `Allow write behind, max ${bitmap.writeBehind}`,
    ),
    line("Sync Size", `${kib}${humanBoth(kib * 1024)}`),
    ...(dirtyChunks === null
      ? []
      : [
          line(
            "Bitmap",
            `${bitmap.chunks} bits (chunks), ${dirty} dirty (${percentText(dirty, bitmap.chunks)}%)`,
          ),
        ]),
  ]);
}
