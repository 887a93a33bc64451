/**
 * The lower half of the ext4 reader: bytes of the volume, inodes, and which blocks a file has where.
 *
 * Everything on the disk is doubted: numbers are checked before they are used, trees must go down and to the right, so no
 * damage makes a walk endless. Metadata is read in pieces of 64 KiB and a bounded number of them is kept, so
 * listing a folder of 60,000 files reads each piece of the inode tables once.
 */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { crc32cUpdate } from "../codec/crc32c.ts";
import type { ValueOf } from "../codec/struct.ts";
import type { BlockDevice } from "../block/device.ts";
import { readInto } from "../block/promises.ts";
import {
  EXT_EXTENT_MAGIC,
  EXT_MAGIC,
  EXT_SUPERBLOCK_OFFSET_BYTES,
  ExtCompat,
  ExtIncompat,
  ExtInodeFlag,
  ExtRoCompat,
  extExtent,
  extExtentHeader,
  extExtentIndex,
  extGroup,
  extGroupHigh,
  extInode,
  extInodeExtra,
  extSuperblock,
} from "../formats/ext4.ts";

const PIECE_BYTES = 65536;
const MAX_PIECES = 128;
/** Deeper extent trees than the format allows. */
const MAX_DEPTH = 5;
const UNWRITTEN = 32768;
/** Logical block numbers have 32 bits. */
const MAX_FILE_BLOCKS = 2 ** 32;

const SUPPORTED_INCOMPAT =
  ExtIncompat.fileType |
  ExtIncompat.recover |
  ExtIncompat.metaGroups |
  ExtIncompat.extents |
  ExtIncompat.is64bit |
  ExtIncompat.multipleMounts |
  ExtIncompat.flexGroups |
  ExtIncompat.attributeInodes |
  ExtIncompat.checksumSeed |
  ExtIncompat.largeDirectories |
  ExtIncompat.inlineData |
  ExtIncompat.encryption |
  ExtIncompat.caseFolding;

export type ExtSuperblock = ValueOf<typeof extSuperblock>;

export interface Inode {
  readonly number: number;
  readonly mode: number;
  readonly owner: number;
  readonly group: number;
  readonly links: number;
  readonly sizeBytes: number;
  /** Seconds since 1970. */
  readonly modifiedSeconds: number;
  readonly accessedSeconds: number;
  readonly flags: number;
  /** The 60 bytes of block pointers. */
  readonly block: Uint8Array;
  /** The whole inode, for what is stored behind the fields. */
  readonly raw: Uint8Array;
}

/** Blocks of a file that lie one after the other; `physical` null: a hole, or allocated and never written. */
export interface BlockRun {
  readonly logical: number;
  readonly physical: number | null;
  readonly blocks: number;
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

function superblockProblem(sb: ExtSuperblock, raw: Uint8Array): HoldfastError | null {
  if (sb.magic !== EXT_MAGIC)
    return new HoldfastError("bad-metadata", "there is no ext2, ext3 or ext4 superblock.");
  const hasChecksum = (sb.featureRoCompat & ExtRoCompat.checksums) !== 0;
  if (hasChecksum && crc32cUpdate(0xffff_ffff, raw.subarray(0, 1020)) !== sb.checksum) {
    const text = "the checksum of its superblock is wrong; `e2fsck` can repair it from a backup.";
    return new HoldfastError("bad-metadata", text);
  }
  const unknown = (sb.featureIncompat & ~SUPPORTED_INCOMPAT) >>> 0;
  if (unknown !== 0) {
    const text = `it uses features that are not supported (incompatible 0x${unknown.toString(16)}).`;
    return new HoldfastError("unsupported", text);
  }
  const inodeBytes = sb.revision === 0 ? 128 : sb.inodeBytes;
  const isSane =
    sb.logBlockSize <= 6 &&
    sb.blocksPerGroup > 0 &&
    sb.inodesPerGroup > 0 &&
    inodeBytes >= 128 &&
    inodeBytes <= 1024 << sb.logBlockSize &&
    (inodeBytes & (inodeBytes - 1)) === 0 &&
    sb.firstDataBlock <= 1;
  if (isSane) return null;
  return new HoldfastError("bad-metadata", "its superblock describes an impossible file system.");
}

export class Ext4Volume {
  readonly superblock: ExtSuperblock;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly #device: BlockDevice;
  readonly #inodeBytes: number;
  readonly #descriptorBytes: number;
  /** Piece number -> its bytes, least recently used first. */
  readonly #pieces = new Map<number, Promise<Uint8Array>>();

  private constructor(device: BlockDevice, superblock: ExtSuperblock) {
    this.#device = device;
    this.superblock = superblock;
    this.blockBytes = 1024 << superblock.logBlockSize;
    const is64bit = this.hasIncompat("is64bit");
    this.blocks = superblock.blocksCount + (is64bit ? superblock.blocksCountHigh * 2 ** 32 : 0);
    this.#inodeBytes = superblock.revision === 0 ? 128 : superblock.inodeBytes;
    this.#descriptorBytes = is64bit ? Math.max(32, superblock.descriptorBytes) : 32;
  }

  /** @throws HoldfastError `bad-metadata`, `unsupported` or `io` */
  static async open(device: BlockDevice): Promise<Ext4Volume> {
    const sectors = 4;
    if (device.sectors < sectors)
      throw new HoldfastError("bad-metadata", `${device.name} is too small for a file system.`);
    const head = new Uint8Array(sectors * SECTOR_BYTES);
    await readInto(device, 0, head);
    const raw = head.subarray(EXT_SUPERBLOCK_OFFSET_BYTES);
    const superblock = extSuperblock.decode(raw);
    const problem = superblockProblem(superblock, raw);
    if (problem !== null)
      throw new HoldfastError(problem.code, `${device.name}: ${problem.message}`);
    return new Ext4Volume(device, superblock);
  }

  get name(): string {
    return this.#device.name;
  }

  get deviceBytes(): number {
    return this.#device.sectors * SECTOR_BYTES;
  }

  hasIncompat(feature: keyof typeof ExtIncompat): boolean {
    return (this.superblock.featureIncompat & ExtIncompat[feature]) !== 0;
  }

  damaged(what: string): HoldfastError {
    const text = `${this.name}: the file system is damaged: ${what}; check a copy of it with \`e2fsck -fn\`.`;
    return new HoldfastError("bad-metadata", text);
  }

  /** Through the cache: for metadata. */
  async metadata(offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const result = new Uint8Array(lengthBytes);
    for (let done = 0; done < lengthBytes;) {
      const at = offsetBytes + done;
      const number = Math.floor(at / PIECE_BYTES);
      const piece = await this.#piece(number);
      const part = piece.subarray(at - number * PIECE_BYTES).subarray(0, lengthBytes - done);
      if (part.length === 0) throw this.damaged(`byte ${at} lies behind the end of the device`);
      result.set(part, done);
      done += part.length;
    }
    return result;
  }

  /** Past the cache: for the contents of files. `blocks` from `physical` on are inside the file system. */
  async contents(physical: number, data: Uint8Array): Promise<void> {
    const offset = physical * this.blockBytes;
    if (offset + data.length > this.deviceBytes)
      throw this.damaged(`block ${physical} lies behind the end of the device`);
    await readInto(this.#device, offset / SECTOR_BYTES, data);
  }

  #piece(number: number): Promise<Uint8Array> {
    const known = this.#pieces.get(number);
    this.#pieces.delete(number);
    const piece = known ?? this.#readPiece(number);
    this.#pieces.set(number, piece);
    if (known === undefined) {
      // A read that failed is tried again by whoever asks next.
      piece.catch(() => this.#pieces.delete(number));
      if (this.#pieces.size > MAX_PIECES) this.#pieces.delete(this.#pieces.keys().next().value!);
    }
    return piece;
  }

  async #readPiece(number: number): Promise<Uint8Array> {
    const start = number * PIECE_BYTES;
    const length = Math.max(0, Math.min(PIECE_BYTES, this.deviceBytes - start));
    const data = new Uint8Array(length);
    if (length > 0) await readInto(this.#device, start / SECTOR_BYTES, data);
    return data;
  }

  async block(physical: number): Promise<Uint8Array> {
    this.#checkBlocks(physical, 1);
    return this.metadata(physical * this.blockBytes, this.blockBytes);
  }

  #checkBlocks(physical: number, blocks: number): void {
    if (physical < this.superblock.firstDataBlock || physical + blocks > this.blocks)
      throw this.damaged(`blocks ${physical} to ${physical + blocks} do not exist`);
  }

  #hasSuperblock(group: number): boolean {
    const { featureCompat, featureRoCompat, backupGroups } = this.superblock;
    if (group === 0) return true;
    if ((featureCompat & ExtCompat.sparseSuper2) !== 0) return backupGroups.includes(group);
    if ((featureRoCompat & ExtRoCompat.sparseSuper) === 0 || group === 1) return true;
    return [3, 5, 7].some((base) => {
      let power = base;
      while (power < group) power *= base;
      return power === group;
    });
  }

  /** With meta block groups, each run of groups whose descriptors fill one block has that block in its first group. */
  #descriptorOffset(group: number): number {
    const perBlock = Math.floor(this.blockBytes / this.#descriptorBytes);
    const table = Math.floor(group / perBlock);
    const { firstDataBlock, blocksPerGroup, firstMetaGroup } = this.superblock;
    const within = (group % perBlock) * this.#descriptorBytes;
    if (!this.hasIncompat("metaGroups") || table < firstMetaGroup)
      return (firstDataBlock + 1 + table) * this.blockBytes + within;
    const first = table * perBlock;
    const block = firstDataBlock + first * blocksPerGroup + (this.#hasSuperblock(first) ? 1 : 0);
    return block * this.blockBytes + within;
  }

  async inode(number: number): Promise<Inode> {
    const { inodesCount, inodesPerGroup } = this.superblock;
    if (number < 1 || number > inodesCount) throw this.damaged(`inode ${number} does not exist`);
    const group = Math.floor((number - 1) / inodesPerGroup);
    const at = this.#descriptorOffset(group);
    const descriptor = await this.metadata(at, this.#descriptorBytes);
    const high = this.#descriptorBytes >= 64 ? extGroupHigh.decode(descriptor).inodeTableHigh : 0;
    const table = high * 2 ** 32 + extGroup.decode(descriptor).inodeTable;
    const within = ((number - 1) % inodesPerGroup) * this.#inodeBytes;
    this.#checkBlocks(table, Math.ceil((within + this.#inodeBytes) / this.blockBytes));
    const raw = await this.metadata(table * this.blockBytes + within, this.#inodeBytes);
    const inode = decodeInode(number, raw, this.hasIncompat("largeDirectories"));
    if (inode.sizeBytes > MAX_FILE_BLOCKS * this.blockBytes)
      throw this.damaged(`inode ${number} has an impossible size`);
    return inode;
  }

  /** The file's blocks in order, holes included, up to its size. */
  async *runs(inode: Inode): AsyncGenerator<BlockRun, void, undefined> {
    const blocks = Math.ceil(inode.sizeBytes / this.blockBytes);
    const found =
      (inode.flags & ExtInodeFlag.extents) !== 0
        ? this.#extents(inode, inode.block, null, 0)
        : this.#pointers(inode, blocks);
    let at = 0;
    for await (const run of found) {
      if (run.logical >= blocks) break;
      if (run.logical < at) throw this.damaged(`inode ${inode.number} maps a block twice`);
      if (run.logical > at) yield { logical: at, physical: null, blocks: run.logical - at };
      const count = Math.min(run.blocks, blocks - run.logical);
      if (run.physical !== null) this.#checkBlocks(run.physical, count);
      yield { ...run, blocks: count };
      at = run.logical + count;
    }
    if (at < blocks) yield { logical: at, physical: null, blocks: blocks - at };
  }

  /** @param depth that of the node above minus one; null at the root, which says it itself */
  async *#extents(
    inode: Inode,
    node: Uint8Array,
    depth: number | null,
    from: number,
  ): AsyncGenerator<BlockRun, void, undefined> {
    const bad = (what: string): HoldfastError =>
      this.damaged(`the extent tree of inode ${inode.number} ${what}`);
    const header = extExtentHeader.decode(node);
    if (header.magic !== EXT_EXTENT_MAGIC) throw bad("has a node that is none");
    if (depth === null ? header.depth > MAX_DEPTH : header.depth !== depth)
      throw bad("does not go down");
    if ((header.entries + 1) * 12 > node.length) throw bad("has a node with too many entries");
    if (depth !== null && header.entries === 0) throw bad("has an empty node");
    let at = from;
    for (let i = 1; i <= header.entries; i += 1) {
      const entry = node.subarray(i * 12, (i + 1) * 12);
      const { block } = extExtentIndex.decode(entry);
      // The first index entry may begin before what it leads to.
      if (block < at) throw bad("is not in order");
      at = block + 1;
      if (header.depth > 0) {
        const { leaf, leafHigh } = extExtentIndex.decode(entry);
        const below = await this.block(leafHigh * 2 ** 32 + leaf);
        yield* this.#extents(inode, below, header.depth - 1, block);
        continue;
      }
      const { length, start, startHigh } = extExtent.decode(entry);
      const blocks = length > UNWRITTEN ? length - UNWRITTEN : length;
      if (blocks === 0) throw bad("has an empty extent");
      const physical = length > UNWRITTEN ? null : startHigh * 2 ** 32 + start;
      yield { logical: block, physical, blocks };
    }
  }

  /** ext2 and ext3: 12 direct pointers, then trees of one, two and three levels. 0 is a hole. */
  async *#pointers(inode: Inode, blocks: number): AsyncGenerator<BlockRun, void, undefined> {
    const roots = viewOf(inode.block);
    const perBlock = this.blockBytes / 4;
    let logical = 0;
    for (let i = 0; i < 15 && logical < blocks; i += 1) {
      const level = Math.max(0, i - 11);
      yield* this.#pointerTree(roots.getUint32(i * 4, true), level, logical, blocks);
      logical += perBlock ** level;
    }
  }

  async *#pointerTree(
    pointer: number,
    level: number,
    logical: number,
    end: number,
  ): AsyncGenerator<BlockRun, void, undefined> {
    if (pointer === 0 || logical >= end) return;
    if (level === 0) {
      yield { logical, physical: pointer, blocks: 1 };
      return;
    }
    const pointers = viewOf(await this.block(pointer));
    const perBlock = this.blockBytes / 4;
    const span = perBlock ** (level - 1);
    for (let i = 0; i < perBlock;) {
      const first = pointers.getUint32(i * 4, true);
      let count = 1;
      if (level === 1 && first !== 0) {
        while (i + count < perBlock && pointers.getUint32((i + count) * 4, true) === first + count)
          count += 1;
        yield { logical: logical + i, physical: first, blocks: count };
      } else yield* this.#pointerTree(first, level - 1, logical + i * span, end);
      i += count;
    }
  }
}

function seconds(base: number, extra: number): number {
  return base + (extra & 3) * 2 ** 32;
}

/** Small folders use the field of the upper half of the size for something else. */
function decodeInode(number: number, raw: Uint8Array, largeDirectories: boolean): Inode {
  const inode = extInode.decode(raw);
  const hasHighSize = (inode.mode & 0xf000) !== 0x4000 || largeDirectories;
  const padded = new Uint8Array(extInodeExtra.size);
  padded.set(raw.subarray(0, padded.length));
  const extra = extInodeExtra.decode(padded);
  const has = (end: number): boolean => raw.length > 128 && 128 + extra.extraBytes >= end;
  return {
    number,
    mode: inode.mode,
    owner: inode.owner + inode.ownerHigh * 65536,
    group: inode.group + inode.groupHigh * 65536,
    links: inode.links,
    sizeBytes: (hasHighSize ? inode.sizeHigh : 0) * 2 ** 32 + inode.size,
    modifiedSeconds: seconds(inode.modified, has(140) ? extra.modifiedExtra : 0),
    accessedSeconds: seconds(inode.accessed, has(144) ? extra.accessedExtra : 0),
    flags: inode.flags,
    block: inode.block,
    raw,
  };
}
