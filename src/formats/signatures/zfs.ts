/**
 * ZFS: the configuration of a pool member, an XDR name-value list in each of its four labels (two at the start, two
 * at the end, 256 KiB each; "ZFS On-Disk Specification", Sun Microsystems 2006).
 *
 *   label + 16 KiB: list ... + 128 KiB: end of the list's 112 KiB, whose last 40 bytes hold a magic number and a checksum
 *
 * The first label is enough unless it is gone, then the second is looked at; not those at the end, which on a disk
 * whose last partition is a member could be taken for the disk's own. Only the pairs at the top are read.
 */
import { textOrNull } from "./probe.ts";
import type { ProbeRange, Signature, SignatureProbe } from "./probe.ts";

const LABEL_BYTES = 256 * 1024;
const LIST_AT = 16 * 1024;
const LIST_BYTES = 8 * 1024;
const TRAILER_AT = 128 * 1024 - 40;
const TRAILER_MAGIC = 0x0210da7ab10c7a11n;
const TYPE_UINT64 = 8;
const TYPE_STRING = 9;

type Value = string | bigint;

/** Top-level strings and 64-bit numbers by name. Stops at whatever does not fit. */
function readPairs(list: Uint8Array): Map<string, Value> {
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
  const pairs = new Map<string, Value>();
  // 4 bytes of encoding, then version and flags of the list.
  let at = 12;
  while (at + 12 <= list.length) {
    const size = view.getUint32(at);
    if (size < 20 || at + size > list.length) break;
    const pair = readPair(list.subarray(at, at + size));
    if (pair !== null) pairs.set(...pair);
    at += size;
  }
  return pairs;
}

function readPair(pair: Uint8Array): [string, Value] | null {
  const view = new DataView(pair.buffer, pair.byteOffset, pair.byteLength);
  const nameBytes = view.getUint32(8);
  const typeAt = 12 + Math.ceil(nameBytes / 4) * 4;
  const valueAt = typeAt + 8;
  if (valueAt + 4 > pair.length) return null;
  const name = new TextDecoder().decode(pair.subarray(12, 12 + nameBytes));
  const type = view.getUint32(typeAt);
  if (type === TYPE_UINT64 && valueAt + 8 <= pair.length) return [name, view.getBigUint64(valueAt)];
  if (type !== TYPE_STRING) return null;
  const end = valueAt + 4 + view.getUint32(valueAt);
  return end <= pair.length
    ? [name, new TextDecoder().decode(pair.subarray(valueAt + 4, end))]
    : null;
}

function recogniseLabel(list: Uint8Array, trailer: Uint8Array): Signature | null {
  const view = new DataView(trailer.buffer, trailer.byteOffset);
  const magics = [view.getBigUint64(0, true), view.getBigUint64(0, false)];
  if (!magics.includes(TRAILER_MAGIC)) return null;
  const pairs = readPairs(list);
  const guid = pairs.get("pool_guid");
  const name = pairs.get("name");
  if (typeof guid !== "bigint") return null;
  const label = typeof name === "string" ? textOrNull(name) : null;
  const pool = label === null ? "a ZFS pool" : `ZFS pool "${label}"`;
  return {
    type: "zfs_member",
    label,
    uuid: String(guid),
    sizeBytes: null,
    text: `member of ${pool}: known, not served`,
  };
}

function ranges(deviceBytes: number): ProbeRange[] {
  const labels = deviceBytes >= 4 * LABEL_BYTES ? [0, LABEL_BYTES] : [];
  return labels.flatMap((label) => [
    { offsetBytes: label + LIST_AT, lengthBytes: LIST_BYTES },
    { offsetBytes: label + TRAILER_AT, lengthBytes: 40 },
  ]);
}

export const zfsProbe: SignatureProbe = {
  name: "zfs",
  types: ["zfs_member"],
  use: "member",
  ranges,
  recognise([list, trailer, secondList, secondTrailer]) {
    return recogniseLabel(list!, trailer!) ?? recogniseLabel(secondList!, secondTrailer!);
  },
};
