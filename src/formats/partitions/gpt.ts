/**
 * GUID partition tables (UEFI specification, chapter 5).
 *
 *   block 0  protective MBR        block 1  primary header -> entries (usually from block 2)
 *   ...                            last block  backup header <- entries before it
 *
 * A header is believed if its signature, its CRC, its own place and its bounds hold; its entries if their CRC
 * does. The primary is used if header and entries hold, else the backup. The size of a logical block is not
 * written anywhere: the header is looked for where it would be with 512, 4096, 1024 and 2048 bytes.
 */
import { unreachable } from "../../base/assert.ts";
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { readSectors } from "../../block/promises.ts";
import type { BlockDevice } from "../../block/device.ts";
import { crc32 } from "../../codec/crc32.ts";
import { bytes, text, u32, u64, u64n } from "../../codec/fields.ts";
import { struct } from "../../codec/struct.ts";
import type { ValueOf } from "../../codec/struct.ts";
import { guidText } from "../../codec/uuid.ts";
import { MAX_PARTITIONS } from "./table.ts";
import type { Partition, PartitionTable } from "./table.ts";
import { gptTypeName } from "./types.ts";

const SIGNATURE = "EFI PART";
/** 128 entries of 128 bytes are usual; nobody writes a thousand. */
const MAX_ENTRY_BYTES = 1024 * 1024;
const NO_GUID = "00000000-0000-0000-0000-000000000000";
const LEGACY_BOOT = 4n;

export const gptHeader = struct("gptHeader", "little", 92, {
  signature: text(0, 8),
  revision: u32(8),
  headerBytes: u32(12),
  headerCrc: u32(16),
  myBlock: u64n(24),
  alternateBlock: u64n(32),
  firstUsableBlock: u64n(40),
  lastUsableBlock: u64n(48),
  diskGuid: bytes(56, 16),
  entriesBlock: u64n(72),
  entryCount: u32(80),
  entryBytes: u32(84),
  entriesCrc: u32(88),
});

export const gptEntry = struct("gptEntry", "little", 128, {
  typeGuid: bytes(0, 16),
  guid: bytes(16, 16),
  firstBlock: u64n(32),
  lastBlock: u64n(40),
  attributes: u64(48),
  name: bytes(56, 72),
});

type Header = ValueOf<typeof gptHeader>;

/** Why a header is not believed; null if it is. */
function headerFault(header: Header, block: Uint8Array, at: number, blocks: number): string | null {
  if (header.headerBytes < gptHeader.size || header.headerBytes > block.length)
    return `its size is given as ${header.headerBytes} bytes`;
  const covered = block.slice(0, header.headerBytes);
  covered.fill(0, 16, 20);
  if (crc32(covered) !== header.headerCrc) return "its checksum is wrong";
  if (header.myBlock !== at) return `it says it belongs at block ${header.myBlock}`;
  const { entryBytes, entryCount, entriesBlock } = header;
  if (entryBytes < 128 || entryBytes % 8 !== 0 || entryBytes * entryCount > MAX_ENTRY_BYTES)
    return `it has ${entryCount} entries of ${entryBytes} bytes`;
  const entriesEnd = entriesBlock + Math.ceil((entryBytes * entryCount) / block.length);
  if (entriesBlock < 1 || entriesEnd > blocks) return "its entries are not on the device";
  return null;
}

interface FoundHeader {
  readonly header: Header;
  readonly entries: Uint8Array;
}

type HeaderResult =
  | { readonly kind: "none" }
  | { readonly kind: "unreadable" | "bad"; readonly why: string }
  | { readonly kind: "good"; readonly found: FoundHeader };

/** The header at logical block `at`, with its entries. */
async function readHeader(
  device: BlockDevice,
  blockBytes: number,
  at: number,
): Promise<HeaderResult> {
  const scale = blockBytes / SECTOR_BYTES;
  const blocks = Math.floor(device.sectors / scale);
  if (at < 1 || at >= blocks) return { kind: "none" };
  try {
    const block = await readSectors(device, at * scale, scale);
    const header = gptHeader.decode(block);
    if (header.signature !== SIGNATURE) return { kind: "none" };
    const why = headerFault(header, block, at, blocks);
    if (why !== null) return { kind: "bad", why };
    const size = header.entryBytes * header.entryCount;
    const sectors = Math.ceil(size / SECTOR_BYTES);
    const read = await readSectors(device, header.entriesBlock * scale, Math.max(1, sectors));
    const entries = read.subarray(0, size);
    if (crc32(entries) !== header.entriesCrc)
      return { kind: "bad", why: "the checksum of its entries is wrong" };
    return { kind: "good", found: { header, entries } };
  } catch (thrown) {
    return { kind: "unreadable", why: toHoldfastError(thrown).message.replace(/\.$/, "") };
  }
}

function stateOf(result: Exclude<HeaderResult, { kind: "good" }>): string {
  switch (result.kind) {
    case "none":
      return "gone";
    case "bad":
      return `damaged (${result.why})`;
    case "unreadable":
      return `unreadable (${result.why})`;
    default:
      return unreachable(result);
  }
}

function nameOf(raw: Uint8Array): string | null {
  const name = new TextDecoder("utf-16le").decode(raw);
  const end = name.indexOf("\0");
  return (end < 0 ? name : name.slice(0, end)) || null;
}

function partitionsOf(found: FoundHeader, device: BlockDevice, scale: number, notes: string[]) {
  const { header, entries } = found;
  const partitions: Partition[] = [];
  for (let i = 0; i < header.entryCount; i += 1) {
    const entry = gptEntry.decode(entries, i * header.entryBytes);
    const type = guidText(entry.typeGuid);
    if (type === NO_GUID) continue;
    const number = i + 1;
    const startSector = entry.firstBlock * scale;
    const endSector = (entry.lastBlock + 1) * scale;
    if (!(startSector < endSector && endSector <= device.sectors)) {
      notes.push(`Partition ${number} does not lie on the device and is left out.`);
      continue;
    }
    if (partitions.length === MAX_PARTITIONS) {
      notes.push(`Only the first ${MAX_PARTITIONS} partitions are listed.`);
      break;
    }
    partitions.push({
      number,
      startSector,
      sectors: endSector - startSector,
      typeName: gptTypeName(type),
      label: nameOf(entry.name),
      uuid: guidText(entry.guid),
      bootable: (entry.attributes & LEGACY_BOOT) !== 0n,
      extended: false,
    });
  }
  return partitions;
}

function tableOf(
  found: FoundHeader,
  device: BlockDevice,
  blockBytes: number,
  notes: string[],
): PartitionTable {
  return {
    kind: "gpt",
    uuid: guidText(found.header.diskGuid),
    logicalBlockBytes: blockBytes,
    partitions: partitionsOf(found, device, blockBytes / SECTOR_BYTES, notes),
    notes,
  };
}

/** Both headers for one block size. A device without either gives null, one with damaged ones only throws. */
async function readWithBlocks(
  device: BlockDevice,
  blockBytes: number,
): Promise<PartitionTable | null> {
  const lastBlock = Math.floor(device.sectors / (blockBytes / SECTOR_BYTES)) - 1;
  const primary = await readHeader(device, blockBytes, 1);
  const backupAt = primary.kind === "good" ? primary.found.header.alternateBlock : lastBlock;
  const backup = await readHeader(device, blockBytes, backupAt);
  if (primary.kind === "good") {
    const notes =
      backup.kind === "good" ? [] : [`The backup GPT at block ${backupAt} is ${stateOf(backup)}.`];
    return tableOf(primary.found, device, blockBytes, notes);
  }
  if (backup.kind === "good") {
    const note = `The primary GPT is ${stateOf(primary)}; this is the backup.`;
    return tableOf(backup.found, device, blockBytes, [note]);
  }
  if (primary.kind !== "bad") return null;
  const copies = `the primary is ${stateOf(primary)}, the backup is ${stateOf(backup)}`;
  throw new HoldfastError("bad-metadata", `The GPT of ${device.name} cannot be used: ${copies}.`);
}

/**
 * Null: there is no GPT.
 * @throws HoldfastError `bad-metadata` when there is one, but neither copy can be used
 */
export async function readGpt(device: BlockDevice): Promise<PartitionTable | null> {
  const sizes = new Set([device.limits.logicalBlockBytes, 512, 4096, 1024, 2048]);
  let fault: HoldfastError | null = null;
  for (const blockBytes of sizes) {
    try {
      const table = await readWithBlocks(device, blockBytes);
      if (table !== null) return table;
    } catch (thrown) {
      fault ??= toHoldfastError(thrown);
    }
  }
  if (fault !== null) throw fault;
  return null;
}
