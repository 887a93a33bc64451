/**
 * A device of a running array: what it is in the array, and how it is to be treated. The array's superblocks say the same of
 * it (metadata.ts); whoever changes something here commits it there.
 *
 *            joins                    sync reaches it all
 *   spare  -------->  recovering  ------------------------>  in-sync
 *     ^                   |                                     |
 *     |  added again      |      an error, or somebody says so  |
 *   (gone) <---- faulty <-+-------------------------------------+
 */
import type { BlockDevice } from "../../block/device.ts";
import type { DeviceNode } from "../../formats/md/superblock-090-update.ts";
import { ownNode } from "../../formats/md/superblock-update.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import type { BadBlockTable } from "./bad-block-table.ts";

export type Standing =
  | { readonly kind: "in-sync"; readonly slot: number }
  /** Member sectors below `recoveredSectors` hold good data; it is written everywhere, and read below. */
  | { readonly kind: "recovering"; readonly slot: number; readonly recoveredSectors: number }
  | { readonly kind: "spare" }
  | { readonly kind: "journal" }
  /** Neither read nor written any more; it still occupies its device number until it is removed. */
  | { readonly kind: "faulty" };

export interface MemberOptions {
  /** For messages. */
  readonly label: string;
  readonly device: BlockDevice;
  /** As found on the device, or as made for it. */
  readonly superblock: MdSuperblock;
  /** The superblock's bytes: what no field names is kept. */
  readonly image: Uint8Array;
  readonly standing: Standing;
  readonly badBlocks: BadBlockTable;
}

export class Member {
  readonly label: string;
  readonly device: BlockDevice;
  readonly superblock: MdSuperblock;
  readonly badBlocks: BadBlockTable;
  /** Of the last superblock written, 4 KiB. */
  image: Uint8Array;
  /** md's desc_nr: its index into the table of roles. Metadata changes it in arrays of version 0.90, where it follows from the standing. */
  number: number;
  /** The node that a 0.90 table names for it. */
  readonly node: DeviceNode | null;
  /** The events in it. */
  writtenEvents: number;
  /** The most events that the superblock on the device may have: a write that failed may have arrived. */
  mayHoldEvents: number;
  standing: Standing;
  /** It stands beside the member whose place it is to take. */
  isReplacement: boolean;
  wantsReplacement = false;
  /** A spare that somebody chose to replace the member there; null: it goes where there is need. */
  meantForSlot: number | null = null;
  writeMostly: boolean;
  failFast: boolean;
  /** A write has failed: from then on listed bad blocks are not written to. */
  hasWriteErrors = false;
  /** Sectors that could not be read and were written anew. */
  correctedSectors: number;
  /** Where the log starts on a journal device, as the superblock is to say; null on all others. */
  journalTailSectors: number | null;
  /** The slot it held before it left, for coming back by bitmap; null: none, or what it holds is worthless. */
  savedSlot: number | null;

  constructor(options: MemberOptions) {
    const { superblock } = options;
    this.label = options.label;
    this.device = options.device;
    this.superblock = superblock;
    this.badBlocks = options.badBlocks;
    this.image = options.image;
    this.number = superblock.deviceNumber;
    this.node = ownNode(superblock, options.image);
    this.writtenEvents = superblock.events;
    this.mayHoldEvents = superblock.events;
    this.standing = options.standing;
    this.journalTailSectors = superblock.journalTailSectors;
    this.isReplacement = superblock.replacement;
    this.writeMostly = superblock.writeMostly;
    this.failFast = superblock.failFast;
    this.correctedSectors = superblock.correctedSectors;
    const { standing } = this;
    const isBack = standing.kind === "recovering" && superblock.recoveryByBitmap;
    this.savedSlot = isBack ? standing.slot : null;
  }

  /** Device sector of member sector 0. */
  get dataOffset(): number {
    return this.superblock.dataOffsetSectors;
  }

  /** The slot it stands in; null for spares, journals and faulty ones. */
  get slot(): number | null {
    const { standing } = this;
    return standing.kind === "in-sync" || standing.kind === "recovering" ? standing.slot : null;
  }

  get isInSync(): boolean {
    return this.standing.kind === "in-sync";
  }

  get isFaulty(): boolean {
    return this.standing.kind === "faulty";
  }

  /** Member sectors below this hold good data. */
  get goodEnd(): number {
    const { standing } = this;
    if (standing.kind === "in-sync") return Infinity;
    return standing.kind === "recovering" ? standing.recoveredSectors : 0;
  }
}
