/**
 * base:allocation: what of an export is allocated, out of its device's extents (proto.md, "The base:allocation metadata
 * context"), and the requests about it.
 */
import { alignDown } from "../base/units.ts";
import type { ByteExtent } from "../block/bytes.ts";
import type { ExtentKind } from "../block/device.ts";
import { AllocationFlag, NbdErrno } from "../formats/nbd/constants.ts";
import { blockStatusFilterHead } from "../formats/nbd/transmission.ts";
import { BEYOND_END } from "./checks.ts";
import type { ServedExport } from "./exports.ts";
import type { StatusRun } from "./replies.ts";
import type { Refusal } from "./request.ts";

export const ALLOCATION_CONTEXT = "base:allocation";
/** Its id on every connection. */
export const ALLOCATION_CONTEXT_ID = 1;

/** A descriptor of the compact form has 32 bits of length. */
const MAX_COMPACT_BYTES = alignDown(0xffff_ffff, 65536);

const STATUS: Readonly<Record<ExtentKind, number>> = {
  data: 0,
  hole: AllocationFlag.hole | AllocationFlag.zero,
  zero: AllocationFlag.zero,
};

/**
 * The runs of a range (length above 0), at least one, from its offset on without gaps; they may stop early. A device that
 * cannot tell just now is all data: the protocol allows that for every block.
 */
export function allocationOf(
  exported: ServedExport,
  offsetBytes: number,
  lengthBytes: number,
  maxExtents: number,
): readonly ByteExtent[] {
  try {
    const runs = exported.bytes.extents(offsetBytes, lengthBytes, maxExtents);
    if (runs.length > 0) return runs;
  } catch {
    // Reading the range will tell what is wrong, if anybody wants the data.
  }
  return [{ offsetBytes, lengthBytes, kind: "data" }];
}

export function statusRuns(runs: readonly ByteExtent[], isExtended: boolean): StatusRun[] {
  const result: StatusRun[] = [];
  for (const { lengthBytes, kind } of runs) {
    if (!isExtended && lengthBytes > MAX_COMPACT_BYTES) {
      // The client asks again behind it.
      result.push({ lengthBytes: MAX_COMPACT_BYTES, status: STATUS[kind] });
      break;
    }
    result.push({ lengthBytes, status: STATUS[kind] });
  }
  return result;
}

export type StatusFilter =
  | { readonly kind: "filter"; readonly lengthBytes: number }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Largest payload worth looking at; there is one context. */
export const MAX_FILTER_BYTES = 256;

/** The payload of a block status request: the length, and the context ids wanted, which must be known and different. */
export function parseStatusFilter(
  payload: Uint8Array,
  offsetBytes: number,
  exported: ServedExport,
): StatusFilter {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const ids = (payload.length - blockStatusFilterHead.size) / 4;
  const isOne = ids === 1 && view.getUint32(blockStatusFilterHead.size) === ALLOCATION_CONTEXT_ID;
  if (!isOne) {
    const message = "The payload does not name the metadata contexts of this connection.";
    return { kind: "refused", refusal: { errno: NbdErrno.EINVAL, message } };
  }
  const lengthBytes = Number(blockStatusFilterHead.decode(payload).length);
  if (lengthBytes === 0 || offsetBytes + lengthBytes > exported.sizeBytes)
    return { kind: "refused", refusal: BEYOND_END };
  return { kind: "filter", lengthBytes };
}
