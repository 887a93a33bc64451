/**
 * On-disk layouts of ext2, ext3 and ext4. All little-endian. Source: Linux's Documentation/filesystems/ext4/
 * (super.rst, group_descr.rst, inodes.rst, ifork.rst, directory.rst, attributes.rst, inlinedata.rst).
 */
import { array, bytes, i32, text, u16, u32, u8 } from "../codec/fields.ts";
import { struct } from "../codec/struct.ts";

export const EXT_SUPERBLOCK_OFFSET_BYTES = 1024;
export const EXT_MAGIC = 0xef53;
export const EXT_ROOT_INODE = 2;

export const ExtState = { clean: 1, errors: 2 } as const;

export const ExtCompat = { journal: 0x4, sparseSuper2: 0x200 } as const;

export const ExtIncompat = {
  compression: 0x1,
  fileType: 0x2,
  recover: 0x4,
  journalDevice: 0x8,
  metaGroups: 0x10,
  extents: 0x40,
  is64bit: 0x80,
  multipleMounts: 0x100,
  flexGroups: 0x200,
  attributeInodes: 0x400,
  checksumSeed: 0x2000,
  largeDirectories: 0x4000,
  inlineData: 0x8000,
  encryption: 0x1_0000,
  caseFolding: 0x2_0000,
} as const;

export const ExtRoCompat = { sparseSuper: 0x1, checksums: 0x400 } as const;

export const extSuperblock = struct("extSuperblock", "little", 1024, {
  inodesCount: u32(0),
  blocksCount: u32(4),
  firstDataBlock: u32(20),
  logBlockSize: u32(24),
  blocksPerGroup: u32(32),
  inodesPerGroup: u32(40),
  mountedSeconds: u32(44),
  magic: u16(56),
  state: u16(58),
  revision: u32(76),
  inodeBytes: u16(88),
  blockGroup: u16(90),
  featureCompat: u32(92),
  featureIncompat: u32(96),
  featureRoCompat: u32(100),
  uuid: bytes(104, 16),
  volumeName: text(120, 16),
  journalUuid: bytes(208, 16),
  /** 0: the journal is on another device. */
  journalInode: u32(224),
  descriptorBytes: u16(254),
  firstMetaGroup: u32(260),
  blocksCountHigh: u32(336),
  backupGroups: array(u32, 588, 2),
  checksum: u32(1020),
});

/** The part of a block group descriptor that leads to its inodes; `High` exists in descriptors of 64 bytes. */
export const extGroup = struct("extGroup", "little", 32, { inodeTable: u32(8) });
export const extGroupHigh = struct("extGroupHigh", "little", 64, { inodeTableHigh: u32(40) });

/** The first 128 bytes of every inode. */
export const extInode = struct("extInode", "little", 128, {
  mode: u16(0),
  owner: u16(2),
  size: u32(4),
  accessed: i32(8),
  modified: i32(16),
  group: u16(24),
  links: u16(26),
  flags: u32(32),
  /** Block pointers, an extent tree's root, a short link's target or a small file's contents. */
  block: bytes(40, 60),
  sizeHigh: u32(108),
  ownerHigh: u16(120),
  groupHigh: u16(122),
});

/** What large inodes have behind it; a field exists if it ends within 128 + `extraBytes`. */
export const extInodeExtra = struct("extInodeExtra", "little", 160, {
  extraBytes: u16(128),
  modifiedExtra: u32(136),
  accessedExtra: u32(140),
});

export const ExtInodeFlag = {
  encrypted: 0x800,
  extents: 0x8_0000,
  inlineData: 0x1000_0000,
} as const;

export const EXT_EXTENT_MAGIC = 0xf30a;

export const extExtentHeader = struct("extExtentHeader", "little", 12, {
  magic: u16(0),
  entries: u16(2),
  depth: u16(6),
});

/** In nodes of depth 0. A length above 32768 means that many less, allocated but never written. */
export const extExtent = struct("extExtent", "little", 12, {
  block: u32(0),
  length: u16(4),
  startHigh: u16(6),
  start: u32(8),
});

/** In nodes above depth 0. */
export const extExtentIndex = struct("extExtentIndex", "little", 12, {
  block: u32(0),
  leaf: u32(4),
  leafHigh: u16(8),
});

/** Before the name. Without the feature fileType the upper byte of the name's length is where the type is. */
export const extDirectoryEntry = struct("extDirectoryEntry", "little", 8, {
  inode: u32(0),
  recordBytes: u16(4),
  nameBytes: u8(6),
  fileType: u8(7),
});

export const EXT_ATTRIBUTE_MAGIC = 0xea02_0000;

/** Before the name of an extended attribute. */
export const extAttribute = struct("extAttribute", "little", 16, {
  nameBytes: u8(0),
  nameIndex: u8(1),
  valueOffset: u16(2),
  valueInode: u32(4),
  valueBytes: u32(8),
});

/** "system.data", where inline data goes on: index 7, name "data". */
export const EXT_SYSTEM_ATTRIBUTE = 7;
