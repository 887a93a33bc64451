/**
 * Conversations with an NBD server for fuzzing: valid ones made from a seed, ways to spoil them, a device that answers
 * late, in any order and sometimes with an error, and an oracle that reads the spoilt bytes as the protocol says.
 */
import { HoldfastError } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { Bio } from "../../src/block/bio.ts";
import { WRITABLE_LIMITS } from "../../src/block/device.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../src/block/device.ts";
import {
  contextData,
  flagBytes,
  infoData,
  optionBytes,
  requestBytes,
  u32,
  u64,
} from "./nbd-wire.ts";
import type { WireMode } from "./nbd-wire.ts";

const DEVICE_SECTORS = 512;
const DEVICE_BYTES = DEVICE_SECTORS * 512;
export const MAX_PAYLOAD = 65536;

const RUN_SECTORS = 16;

/** Bios wait until the fuzzer ends one. Data and holes take turns. */
export class LateDevice implements BlockDevice {
  readonly name = "late";
  readonly sectors = DEVICE_SECTORS;
  readonly limits: BlockLimits;
  readonly pending: Bio[] = [];

  constructor(limits: Partial<BlockLimits>) {
    this.limits = { ...WRITABLE_LIMITS, ...limits };
  }

  submit(bio: Bio): void {
    this.pending.push(bio);
  }

  /** Bytes lent for requests; the one large buffer of zeros that all writes of zeros share is not theirs. */
  get pendingBytes(): number {
    const isOwn = (data: Uint8Array): boolean => data.buffer.byteLength <= 2 * MAX_PAYLOAD;
    return this.pending.reduce((sum, { data }) => sum + (isOwn(data) ? data.length : 0), 0);
  }

  /** Ends one pending bio, one in ten with an error. */
  finishOne(prng: Prng): void {
    const [bio] = this.pending.splice(prng.below(this.pending.length), 1);
    if (bio === undefined) return;
    const changes = bio.op !== "read" && bio.op !== "flush";
    const isForbidden =
      (changes && this.limits.readOnly) ||
      (bio.op === "discard" && !this.limits.discard) ||
      (bio.op === "write-zeroes" && !this.limits.writeZeroes);
    const fails = isForbidden || prng.chance(0.1);
    bio.end(fails ? new HoldfastError("io", "The disk is broken.") : null);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const runs: Extent[] = [];
    const end = sector + sectors;
    for (let at = sector; at < end && runs.length < maxExtents;) {
      const next = Math.min(end, at - (at % RUN_SECTORS) + RUN_SECTORS);
      const kind = Math.floor(at / RUN_SECTORS) % 2 === 0 ? "data" : "hole";
      runs.push({ sector: at, sectors: next - at, kind });
      at = next;
    }
    return runs;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The shortest handshake into transmission. */
export function plainHandshake(mode: WireMode): Buffer {
  const agreed = mode === "simple" ? [] : [optionBytes(mode === "structured" ? 8 : 11)];
  const contexts = mode === "simple" ? [] : [optionBytes(10, contextData("", ["base:allocation"]))];
  return Buffer.concat([flagBytes(), ...agreed, ...contexts, optionBytes(7, infoData("", [3]))]);
}

/** Options in any order, that may or may not enter transmission, and some requests. */
export function someHandshake(prng: Prng): Buffer[] {
  const options = Array.from({ length: prng.between(1, 10) }, () => someOption(prng));
  const requests = Array.from({ length: prng.below(4) }, () => someRequest(prng, "structured"));
  return [flagBytes(prng.below(4)), ...options, ...requests];
}

function someOption(prng: Prng): Buffer {
  const name = prng.pick(["", "", "", "vol", "x".repeat(50)]);
  const infos = Array.from({ length: prng.below(5) }, (_unused, i) => i);
  const queries = prng.pick([[], ["base:"], ["base:allocation"], ["x:y", "base:allocation"]]);
  return prng.pick([
    () => optionBytes(1, Buffer.from(name)),
    () => optionBytes(2),
    () => optionBytes(3),
    () => optionBytes(5),
    () => optionBytes(6, infoData(name, infos)),
    () => optionBytes(7, infoData(name, infos)),
    () => optionBytes(8),
    () => optionBytes(9, contextData(name, queries)),
    () => optionBytes(10, contextData(name, queries)),
    () => optionBytes(11),
    () => optionBytes(prng.below(20), Buffer.alloc(prng.below(100))),
  ])();
}

export function someRequest(prng: Prng, mode: WireMode): Buffer {
  const type = prng.pick([0, 0, 0, 1, 1, 1, 3, 4, 5, 6, 7, 7, 8]);
  const isExtended = mode === "extended";
  const isAligned = prng.chance(0.5);
  const place = (limit: number): number => {
    const value = prng.below(limit + 1);
    return isAligned ? value - (value % 512) : value;
  };
  const offset = type === 3 ? 0 : place(DEVICE_BYTES);
  const longest = prng.chance(0.1) ? MAX_PAYLOAD : prng.chance(0.3) ? 40_000 : 2000;
  const length = type === 3 ? 0 : place(Math.min(longest, DEVICE_BYTES - offset));
  let flags = prng.chance(0.2) ? prng.pick([1, 2, 4, 8, 16, 5]) : 0;
  let data = Buffer.alloc(0);
  if (type === 1) {
    data = Buffer.alloc(length, prng.below(256));
    if (isExtended) flags |= 32;
  } else if (type === 7 && isExtended && prng.chance(0.4)) {
    flags |= 32;
    data = Buffer.concat([u64(length), u32(1)]);
  }
  const cookie = (BigInt(prng.u32()) << 32n) | BigInt(prng.u32());
  const hasPayload = data.length > 0;
  return requestBytes(mode, {
    type,
    flags,
    cookie,
    offset,
    length: hasPayload ? data.length : length,
    data,
  });
}

/** The largest reads and writes there are. */
export function bigRequest(prng: Prng, mode: WireMode): Buffer {
  const isWrite = prng.chance(0.3);
  const cookie = (BigInt(prng.u32()) << 32n) | BigInt(prng.u32());
  const offset = prng.below(DEVICE_BYTES - MAX_PAYLOAD);
  if (!isWrite) return requestBytes(mode, { type: 0, cookie, offset, length: MAX_PAYLOAD });
  const flags = mode === "extended" ? 32 : 0;
  return requestBytes(mode, { type: 1, flags, cookie, offset, data: Buffer.alloc(MAX_PAYLOAD) });
}

const LENGTHS = [0, 1, 511, 4095, 65535, 65536, 65537, 131072, 131073, 0x7fffffff, 0xffffffff];

/** Spoils messages by one to three of: flipped bytes, edited lengths, other order, repetition, omission, a cut. */
export function spoil(prng: Prng, messages: readonly Buffer[], lengthAt: number): Buffer {
  let list = messages.map((message) => Buffer.from(message));
  let cut = Infinity;
  for (let i = prng.between(1, 3); i > 0 && list.length > 0; i -= 1) {
    const index = prng.below(list.length);
    const message = list[index]!;
    switch (prng.below(6)) {
      case 0:
        for (let n = prng.between(1, 4); n > 0 && message.length > 0; n -= 1)
          message[prng.below(message.length)]! ^= 1 << prng.below(8);
        break;
      case 1:
        if (message.length >= lengthAt + 4) message.writeUInt32BE(prng.pick(LENGTHS), lengthAt);
        break;
      case 2:
        list = prng.shuffle(list);
        break;
      case 3:
        list.splice(prng.below(list.length), 0, Buffer.from(message));
        break;
      case 4:
        list.splice(index, 1);
        break;
      default:
        cut = prng.below(list.reduce((sum, one) => sum + one.length, 0) + 1);
        break;
    }
  }
  return Buffer.concat(list).subarray(0, cut);
}

export interface ExpectedRequest {
  readonly cookie: bigint;
  readonly type: number;
  readonly offset: bigint;
  readonly length: number;
}

export interface Expectation {
  /** Complete requests, in order. */
  readonly requests: ExpectedRequest[];
  /** How the stream ends: with DISC or between messages; in the middle of one; with something that must be dropped. */
  readonly end: "clean" | "torn" | "fatal";
}

/** What the protocol makes of a stream of the transmission phase. */
export function expectationOf(bytes: Buffer, mode: WireMode): Expectation {
  const isExtended = mode === "extended";
  const head = isExtended ? 32 : 28;
  const magic = isExtended ? 0x21e41c71 : 0x25609513;
  const requests: ExpectedRequest[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < head) return { requests, end: "torn" };
    if (bytes.readUInt32BE(at) !== magic) return { requests, end: "fatal" };
    const flags = bytes.readUInt16BE(at + 4);
    const type = bytes.readUInt16BE(at + 6);
    if (type === 2) return { requests, end: "clean" };
    const length = Number(
      isExtended ? bytes.readBigUInt64BE(at + 24) : BigInt(bytes.readUInt32BE(at + 24)),
    );
    const hasPayload = isExtended ? (flags & 32) !== 0 : type === 1;
    const payload = hasPayload ? length : 0;
    if (payload > (isExtended ? MAX_PAYLOAD : 2 * MAX_PAYLOAD)) return { requests, end: "fatal" };
    if (bytes.length - at < head + payload) return { requests, end: "torn" };
    const cookie = bytes.readBigUInt64BE(at + 8);
    requests.push({ cookie, type, offset: bytes.readBigUInt64BE(at + 16), length });
    at += head + payload;
  }
  return { requests, end: "clean" };
}
