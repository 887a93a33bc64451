/** What --update changes in a superblock of version 0.90. */
import { homehostHash } from "../formats/md/homehost.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ByteOrder } from "../codec/fields.ts";
import {
  DISK_STATE,
  STATE_090,
  superblock090,
  superblock090Checksum,
} from "../formats/md/superblock-090.ts";
import type { Superblock090 } from "../formats/md/superblock-090.ts";
import type { MdCandidate } from "../md/candidate.ts";
import type { AssemblyUpdate } from "./array-host.ts";
import type { UpdateFacts } from "./updates-1.ts";

function uuidWords(uuid: Uint8Array): Partial<Superblock090> {
  const words = new DataView(uuid.buffer, uuid.byteOffset, 16);
  return {
    setUuid0: words.getUint32(0),
    setUuid1: words.getUint32(4),
    setUuid2: words.getUint32(8),
    setUuid3: words.getUint32(12),
  };
}

function homehostWords(homehost: string | null): Partial<Superblock090> {
  const hash = homehost === null ? new Uint8Array(8) : homehostHash(homehost).slice();
  const words = new DataView(hash.buffer, hash.byteOffset, 8);
  return { setUuid2: words.getUint32(0), setUuid3: words.getUint32(4) };
}

/** The counts, from the table. */
function summaries(raw: Superblock090): Partial<Superblock090> {
  const there = raw.disks.filter(({ state }) => (state & DISK_STATE.removed) === 0);
  const known = there.filter(
    ({ major, minor, state }) => major !== 0 || minor !== 0 || state !== 0,
  );
  const failed = known.filter(({ state }) => (state & DISK_STATE.faulty) !== 0).length;
  const active = known.filter(
    ({ state }) => (state & DISK_STATE.active) !== 0 && (state & DISK_STATE.faulty) === 0,
  ).length;
  const working = known.length - failed;
  return {
    nrDisks: known.length,
    activeDisks: active,
    workingDisks: working,
    failedDisks: failed,
    spareDisks: working - active,
  };
}

function changesOf(
  update: AssemblyUpdate,
  raw: Superblock090,
  facts: UpdateFacts,
): Partial<Superblock090> {
  switch (update.kind) {
    case "uuid":
      return uuidWords(facts.uuid);
    case "homehost":
      return homehostWords(update.value);
    case "resync":
      return { state: raw.state & ~STATE_090.clean, recoveryCp: 0 };
    case "super-minor":
      return { mdMinor: facts.minor };
    case "summaries":
      return summaries(raw);
    case "no-bitmap":
      return { state: raw.state & ~STATE_090.bitmap };
    case "byteorder":
      return {};
    case "name":
    case "metadata":
    case "bbl":
    case "no-bbl":
    case "force-no-bbl":
    case "ppl":
    case "no-ppl":
    case "devicesize":
    case "writemostly":
    case "readwrite":
    case "layout-original":
    case "layout-alternate":
    case "layout-unspecified":
      throw new HoldfastError(
        "unsupported",
        `--update=${update.kind} is not done for 0.90 metadata`,
      );
  }
}

/** @param image 4 KiB as they stand on the device */
export function updated090(
  update: AssemblyUpdate,
  { superblock }: MdCandidate,
  image: Uint8Array,
  facts: UpdateFacts,
): Uint8Array {
  const raw = superblock090.decode(image, 0, superblock.byteOrder);
  const order: ByteOrder = update.kind === "byteorder" ? "little" : superblock.byteOrder;
  const data = image.slice();
  superblock090.encodeInto(data, 0, { ...raw, ...changesOf(update, raw, facts) }, order);
  superblock090.encodeInto(data, 0, { sbCsum: superblock090Checksum(data, order) }, order);
  return data;
}
