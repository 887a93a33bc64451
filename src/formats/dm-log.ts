/**
 * The dirty log of device-mapper's mirror: a header in the first sector of the log device, and from 1 KiB on one bit a region, bit n in
 * bit n % 8 of byte n / 8 (machine words of a little-endian host). 1 is clean; what is not clean is copied from the default mirror when
 * the log is opened.
 *
 *   0 header   512 nothing   1024 bits, a multiple of 8 bytes, rounded up to a block of the device
 *
 * Kernels know the header's first 16 bytes and keep the others. Behind them lies what was once proposed for a mirror that outlives its
 * default mirror: which mirror is the default, how many are in use, and (ours) which are not. All zero: nothing is to be said.
 * Facts: struct log_header_disk, disk_resume in drivers/md/dm-log.c; docs/kernel/dm-mirror.md.
 */
import { asHex, i32, shownAs, u32, u64n } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";
import type { ValueOf } from "../codec/struct.ts";

const DM_LOG_HEADER_BYTES = 512;
export const DM_LOG_BITS_OFFSET = 1024;
/** "MiRr" */
export const DM_LOG_MAGIC = 0x4d695272;
/** 1 was in the host's byte order; on a little-endian host it is the same. */
export const DM_LOG_VERSION = 2;

export const dmLogHeader = struct("dm dirty log header", "little", DM_LOG_HEADER_BYTES, {
  magic: shownAs(u32(0), asHex),
  version: u32(4),
  regions: u64n(8),
  defaultMirror: i32(16),
  mirrorsInUse: i32(20),
  /** Bit n: mirror n had failed. */
  failedMirrors: shownAs(u32(24), asHex),
});
export type DmLogHeader = ValueOf<typeof dmLogHeader>;

export interface RecordedMirrors {
  readonly defaultMirror: number;
  readonly failed: ReadonlySet<number>;
}

export type DmLogDecode =
  | { readonly kind: "none" }
  | { readonly kind: "bad"; readonly reason: string }
  | { readonly kind: "ok"; readonly header: DmLogHeader };

/** @param data the first sector of a log device. There is no checksum. */
export function decodeDmLog(data: Uint8Array): DmLogDecode {
  const header = dmLogHeader.decode(data);
  if (header.magic !== DM_LOG_MAGIC) return { kind: "none" };
  if (header.version !== DM_LOG_VERSION && header.version !== 1)
    return {
      kind: "bad",
      reason: `its version is ${header.version}, and ${DM_LOG_VERSION} is known`,
    };
  return { kind: "ok", header };
}

/**
 * What a header says about mirrors that had failed, for a set of so many of them; null: nothing. `isExact`: it is known which had failed,
 * so the bits tell what they missed; otherwise nothing is known but who had everything.
 */
export function recordedMirrors(
  { defaultMirror, mirrorsInUse, failedMirrors }: DmLogHeader,
  mirrors: number,
): (RecordedMirrors & { readonly isExact: boolean }) | null {
  const isSaid = mirrorsInUse > 0 && defaultMirror >= 0 && defaultMirror < mirrors;
  if (!isSaid || (mirrorsInUse === mirrors && defaultMirror === 0 && failedMirrors === 0))
    return null;
  const failed = new Set(
    Array.from({ length: 32 }, (_unused, bit) => bit).filter((bit) => (failedMirrors >>> bit) & 1),
  );
  const isExact =
    failed.size > 0 &&
    failed.size + mirrorsInUse === mirrors &&
    !failed.has(defaultMirror) &&
    Math.max(...failed) < mirrors;
  return { defaultMirror, failed: isExact ? failed : new Set(), isExact };
}

/** The header's fields for that. @param recorded null: nothing is to be said */
export function mirrorFields(
  recorded: RecordedMirrors | null,
  mirrors: number,
): Pick<DmLogHeader, "defaultMirror" | "mirrorsInUse" | "failedMirrors"> {
  if (recorded === null) return { defaultMirror: 0, mirrorsInUse: 0, failedMirrors: 0 };
  const { defaultMirror, failed } = recorded;
  let failedMirrors = 0;
  for (const mirror of failed) failedMirrors |= 1 << mirror;
  return { defaultMirror, mirrorsInUse: mirrors - failed.size, failedMirrors };
}
