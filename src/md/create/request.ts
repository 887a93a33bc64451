/** What somebody who makes a new array asks for, and what the plan for it says. Sectors are 512 bytes. */
import type { DeviceNode } from "../../formats/md/superblock-090-update.ts";
import type { MdLevel, MdRole, MdVersion } from "../../formats/md/superblock.ts";

export interface NewDevice {
  /** For messages. */
  readonly label: string;
  readonly sectors: number;
  /** 16 random bytes, or those of an earlier superblock; 0.90 does without. */
  readonly deviceUuid: Uint8Array;
  readonly isJournal: boolean;
  readonly writeMostly: boolean;
  readonly failFast: boolean;
  /** Where its data are to start, if not where those of all do; 1.1 and 1.2 only. */
  readonly dataOffsetSectors: number | null;
  /** For 0.90. */
  readonly node: DeviceNode | null;
  /** Where superblocks of earlier arrays stand: they are wiped out, or the device would belong to two. */
  readonly oldSuperblockSectors: readonly number[];
}

export interface NewBitmapOptions {
  /** Null: 64 MiB, or more where the room demands it. */
  readonly chunkSectors: number | null;
  readonly delaySeconds: number;
  readonly writeBehind: number;
}

export interface CreateRequest {
  readonly version: MdVersion;
  readonly level: MdLevel;
  /** As on disk; null: the usual one of the level. */
  readonly layout: number | null;
  /** Null: 512 KiB for levels with chunks. */
  readonly chunkSectors: number | null;
  readonly raidDisks: number;
  readonly spareDisks: number;
  /** In the order of the slots, then the spares; the journal stands anywhere. Null: a member that is missing. */
  readonly devices: readonly (NewDevice | null)[];
  /** How much of each member to use; null: as much as the smallest has. */
  readonly componentSectors: number | null;
  /** Null: what suits the first device. */
  readonly dataOffsetSectors: number | null;
  readonly bitmap: NewBitmapOptions | null;
  /** Null: follows from the bitmap and the journal. */
  readonly consistencyPolicy: "resync" | "bitmap" | "journal" | "ppl" | null;
  /** The copies or parity agree already, or shall be taken to. */
  readonly assumeClean: boolean;
  /** No spare trick for raid4/5/6, and single-member arrays are allowed. */
  readonly force: boolean;
  /** A place for a log of bad blocks; 0.90 has none. */
  readonly badBlockLog: boolean;
  readonly name: string;
  /** Null: none. */
  readonly homehost: string | null;
  /** 16 random or chosen bytes, as version 1 has them; 0.90 takes them for four big-endian words. */
  readonly arrayUuid: Uint8Array;
  readonly createdSeconds: number;
  /** The N of mdN; 0.90 only. */
  readonly preferredMinor: number;
  /** A random number below 2^32 with which the journal begins. */
  readonly journalSequence: bigint;
}

export interface PlannedWrite {
  readonly what: "old-superblock" | "bad-block-log" | "bitmap" | "ppl" | "journal" | "superblock";
  readonly sector: number;
  readonly bytes: Uint8Array;
}

export interface PlannedDevice {
  /** Index into CreateRequest.devices. */
  readonly index: number;
  readonly number: number;
  readonly role: MdRole;
  readonly dataOffsetSectors: number;
  readonly dataSectors: number;
  /**
   * In order. The superblock is the last, and is to be written when the others are durable, on this device and on all: until then the
   * device belongs to no array, and once it does everything that the superblock points at is there.
   */
  readonly writes: readonly PlannedWrite[];
}

export interface CreatePlan {
  readonly layout: number;
  readonly chunkSectors: number;
  /** What the superblocks say: 0 for linear and raid0. */
  readonly componentSectors: number;
  /** No resync is to be done. */
  readonly isClean: boolean;
  readonly bitmapChunkSectors: number | null;
  readonly devices: readonly PlannedDevice[];
  /** The device, by index, that offers the most, if that is more than 1% beyond what is used; its end stays unused. */
  readonly wastedOn: number | null;
}

export type CreateDecision =
  | { readonly kind: "ok"; readonly plan: CreatePlan }
  /** One sentence. */
  | { readonly kind: "refused"; readonly reason: string };

/** Thrown inside the planner only. */
export class Refusal extends Error {}

export function refuse(reason: string): never {
  throw new Refusal(reason);
}
