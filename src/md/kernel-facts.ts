/**
 * Which release of Linux learned to read what md writes: data, one entry a feature, each with where the fact comes from.
 *
 * Releases are those of kernel.org; distributions carry some features back, so an older kernel of theirs may do more. md knows no
 * feature that is harmless to miss: a set feature bit that a kernel does not know makes it refuse the member (super_1_load in
 * drivers/md/md.c, MD_FEATURE_ALL), for reading as for writing. Nothing older than 2.6.0 is looked at.
 */
import type { MdShape, MdSuperblock } from "../formats/md/superblock.ts";
import type { KernelRange } from "./explanation.ts";

/** What decides which kernels take a set. */
export interface KernelContext {
  /** That of the freshest member. */
  readonly superblock: MdSuperblock;
  /** Of all members that belong to the set, the freshest among them. */
  readonly superblocks: readonly MdSuperblock[];
  /** Majors of the bitmaps found. */
  readonly bitmapMajors: ReadonlySet<number>;
  /** Zones of a raid0 of unequal members, and how many members the second one has; null for other levels. */
  readonly raid0: { readonly zones: number; readonly membersInSecond: number } | null;
}

export interface KernelFact {
  /** As the subject of a sentence: "the partial parity log". */
  readonly feature: string;
  readonly ranges: readonly KernelRange[];
  /** A further sentence, where it is not only a matter of the release. */
  readonly note?: string;
  applies(context: KernelContext): boolean;
}

const since = (from: string): readonly KernelRange[] => [{ from, to: null }];

const anyMember =
  (test: (superblock: MdSuperblock) => boolean) =>
  (context: KernelContext): boolean =>
    context.superblocks.some(test);

const withShape =
  (test: (shape: MdShape, superblock: MdSuperblock) => boolean) =>
  ({ superblock }: KernelContext): boolean =>
    superblock.shape !== null && test(superblock.shape, superblock);

/** Bits of raid10's layout number: src/formats/md/layout-names.ts. */
const withRaid10Bit = (bit: 16 | 17 | 18): KernelFact["applies"] =>
  withShape(({ level, layout }) => level === "raid10" && ((layout >> bit) & 1) === 1);

const isParity = ({ level }: MdShape): boolean =>
  level === "raid4" || level === "raid5" || level === "raid6";

const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));

export const KERNEL_FACTS: readonly KernelFact[] = [
  // md(4): "From Linux kernel version 2.6.10".
  {
    feature: "metadata of version 1",
    ranges: since("2.6.10"),
    applies: ({ superblock }) => superblock.version !== "0.90",
  },

  // Levels and layouts.
  // Removed by 849d18e27be9 (December 2023, for 6.8), back with "md: reintroduce md-linear" (tag md-6.14-20250113).
  {
    feature: "linear",
    ranges: [
      { from: "2.6.0", to: "6.7" },
      { from: "6.14", to: null },
    ],
    applies: withShape(({ level }) => level === "linear"),
  },
  // These two releases are not checked against a document. They decide only with metadata 0.90: version 1 is newer.
  { feature: "raid6", ranges: since("2.6.2"), applies: withShape((s) => s.level === "raid6") },
  { feature: "raid10", ranges: since("2.6.9"), applies: withShape((s) => s.level === "raid10") },
  // md(4): "offset" being available since Linux 2.6.18.
  {
    feature: "the offset layout of raid10",
    ranges: since("2.6.18"),
    applies: withRaid10Bit(16),
  },
  // "MD RAID10: Improve redundancy for 'far' and 'offset' algorithms", 9a3152ab0248 (February 2013, for 3.9): bit 17.
  {
    feature: "raid10 with far sets as they were at first",
    ranges: since("3.9"),
    applies: withRaid10Bit(17),
  },
  // 8bce6d35b308: bit 18. The commit is of October 2015; 4.3 was released on 1 November, 4.4 has it for certain.
  {
    feature: "raid10 with far sets",
    ranges: since("4.4"),
    applies: withRaid10Bit(18),
  },
  // "md/raid5: Add support for new layouts for raid5 and raid6" and 67cc2b816585 (March 2009, for 2.6.30): parity on the
  // first or last disk, DDF's raid6, Q on the last disk.
  {
    feature: "this layout of raid5 or raid6",
    ranges: since("2.6.30"),
    applies: withShape((s) => (s.level === "raid5" || s.level === "raid6") && s.layout > 3),
  },
  // md(4): the chunk of a raid0 must be a power of two prior to Linux 2.6.31.
  {
    feature: "raid0 with a chunk that is no power of two",
    ranges: since("2.6.31"),
    applies: withShape((s) => s.level === "raid0" && !isPowerOfTwo(s.chunkSectors)),
  },
  // "md: add feature flag MD_FEATURE_RAID0_LAYOUT", September 2019, for 5.4.
  {
    feature: "the recorded layout of raid0",
    ranges: since("5.4"),
    note: "stable kernels older than 5.4 that had the change carried back take it too",
    applies: anyMember((one) => one.raid0Layout !== null),
  },
  // md(4), RAID0: 3.14 changed the layout by mistake, 5.4 refuses to guess.
  {
    feature: "raid0 of unequal members without a recorded layout",
    ranges: [{ from: "2.6.0", to: "5.3" }],
    note: "kernels before 3.14 and from 3.14 on lay out such an array differently: 5.4 and later take it only with the module parameter raid0.default_layout=1 (it was written by 3.13 or older) or =2 (by 3.14 or newer)",
    applies: (context) => layoutMatters(context) && context.raid0!.membersInSecond > 1,
  },
  // The same, but a second and last zone on one member has only one layout: ea23994edc41 (April 2022, for 5.19).
  {
    feature: "raid0 of unequal members without a recorded layout",
    ranges: [
      { from: "2.6.0", to: "5.3" },
      { from: "5.19", to: null },
    ],
    note: "kernels 5.4 to 5.18 take it with the module parameter raid0.default_layout=1 or =2; here both mean the same",
    applies: (context) => layoutMatters(context) && context.raid0!.membersInSecond === 1,
  },

  // Bitmaps.
  // md(4): from 2.6.13 for raid1, for the other levels from 2.6.15. A bitmap in a file is not recorded in version 1.
  {
    feature: "a write-intent bitmap of version 3",
    ranges: since("2.6.13"),
    note: "its bits are in the byte order of the machine that wrote them",
    applies: (context) => hasOldBitmap(context) && context.superblock.shape?.level === "raid1",
  },
  {
    feature: "a write-intent bitmap of version 3 on this level",
    ranges: since("2.6.15"),
    note: "its bits are in the byte order of the machine that wrote them",
    applies: (context) => hasOldBitmap(context) && context.superblock.shape?.level !== "raid1",
  },
  // "md: make md on-disk bitmaps not host-endian", November 2005, for 2.6.15.
  {
    feature: "the write-intent bitmap",
    ranges: since("2.6.15"),
    applies: (context) => context.superblock.bitmapSector !== null && !hasOldBitmap(context),
  },
  // drivers/md/md-llbitmap.c, BITMAP_MAJOR_LOCKLESS in drivers/md/md-bitmap.h of 6.18.
  {
    feature: "the lockless bitmap (version 6)",
    ranges: since("6.18"),
    applies: ({ bitmapMajors }) => bitmapMajors.has(6),
  },
  // 3c462c880b52 (October 2015, for 4.4): feature bit 256 and bitmap major 5. What 4.1 to 4.3 wrote had neither.
  {
    feature: "a clustered raid1",
    ranges: since("4.4"),
    note: "it needs the md-cluster module and a running cluster",
    applies: withShape((s, superblock) => superblock.clustered && s.level === "raid1"),
  },
  // f0e230ad8778 (November 2017, for 4.15).
  {
    feature: "a clustered raid10",
    ranges: since("4.15"),
    note: "it needs the md-cluster module and a running cluster",
    applies: withShape((s, superblock) => superblock.clustered && s.level === "raid10"),
  },

  // States of members.
  // 5fd6c1dce06e (June 2006, for 2.6.18): feature bit 2.
  {
    feature: "a rebuild that stopped half-way",
    ranges: since("2.6.18"),
    applies: anyMember((one) => one.features.includes("recovery-offset")),
  },
  // "md: Change handling of save_raid_disk and metadata update during recovery", tag md/3.14: feature bit 128.
  {
    feature: "a rebuild guided by the bitmap",
    ranges: since("3.14"),
    applies: anyMember((one) => one.recoveryByBitmap),
  },
  // Tag md-3.3: feature bit 16.
  {
    feature: "hot replacement",
    ranges: since("3.3"),
    applies: anyMember((one) => one.replacement),
  },
  // 2699b67223ac (July 2011, for 3.1): feature bit 8, set only while there are entries.
  {
    feature: "a bad-block log with entries",
    ranges: since("3.1"),
    applies: anyMember((one) => one.badBlockLog?.inUse === true),
  },

  // Logs against the write hole.
  // md(4): From Linux 4.4. Feature bit 512.
  {
    feature: "the write journal",
    ranges: since("4.4"),
    applies: anyMember((one) => one.hasJournal),
  },
  // md(4): From Linux 4.12. Feature bit 1024 (ea0213e0c7cc).
  {
    feature: "the partial parity log",
    ranges: since("4.12"),
    applies: anyMember((one) => one.ppl !== null && !one.ppl.multiple),
  },
  // ddc088238cd6 (August 2017, for 4.14): feature bit 2048.
  {
    feature: "the partial parity log in its newer form (multiple PPLs)",
    ranges: since("4.14"),
    applies: anyMember((one) => one.ppl?.multiple === true),
  },

  // Reshapes under way. mdadm(8), GROW MODE: more disks for raid5 2.6.17, fewer, and for raid6, 2.6.31. md(4) has other chunks
  // and layouts by 2.6.35; the code for them came with that for fewer disks.
  {
    feature: "an interrupted growing of raid5",
    ranges: since("2.6.17"),
    applies: ({ superblock: { reshape } }) => reshape?.before.level === "raid5",
  },
  {
    feature: "an interrupted reshape of raid6",
    ranges: since("2.6.31"),
    applies: ({ superblock: { reshape } }) => reshape?.before.level === "raid6",
  },
  {
    feature: "an interrupted reshape that does not add disks",
    ranges: since("2.6.31"),
    applies: ({ superblock: { reshape } }) => reshape !== null && reshape.deltaDisks <= 0,
  },
  // Tag md-3.5: raid10 arrays can be reshaped; 2c810cddc44d (bit 32) and c6563a8c38fd (bit 64), May 2012.
  {
    feature: "an interrupted reshape of raid10",
    ranges: since("3.5"),
    applies: ({ superblock: { reshape } }) => reshape?.before.level === "raid10",
  },
  {
    feature: "an interrupted reshape that runs backwards at the same number of disks",
    ranges: since("3.5"),
    applies: anyMember((one) => one.features.includes("reshape-backwards")),
  },
  {
    feature: "an interrupted reshape that moves the data offset",
    ranges: since("3.5"),
    applies: anyMember((one) => one.features.includes("new-offset")),
  },

  // The version 1 superblock.
  // 62ed1b582246 (November 2025, for 6.19). Since c6563a8c38fd (3.5) kernels refuse bytes there that they do not know.
  {
    feature: "the recorded logical block size",
    ranges: since("6.19"),
    note: "kernels 3.5 to 6.18 take its bytes for reserved ones and refuse the members (EINVAL, 'Some padding is non-zero')",
    applies: anyMember((one) => one.logicalBlockBytes !== null),
  },

  // The version 0.90 superblock.
  // 27a7b260f714 (September 2011, for 3.1).
  {
    feature: "metadata 0.90 on members of more than 2 TiB",
    ranges: since("3.1"),
    note: "older kernels see such members cut to their size modulo 2 TiB",
    applies: ({ superblock }) =>
      superblock.version === "0.90" && superblock.componentSectors > 2 ** 32,
  },
];

/** Kernels with pages of 64 KiB (some arm64 and ppc64 ones) refuse chunks below a page: raid5.c, raid10.c. */
export function needsSmallPages({ superblock }: KernelContext): boolean {
  const shape = superblock.shape;
  return (
    shape !== null && (isParity(shape) || shape.level === "raid10") && shape.chunkSectors < 128
  );
}

function hasOldBitmap({ bitmapMajors }: KernelContext): boolean {
  return bitmapMajors.has(3);
}

function layoutMatters({ raid0, superblocks }: KernelContext): boolean {
  return raid0 !== null && raid0.zones > 1 && superblocks.every((one) => one.raid0Layout === null);
}
