/**
 * What Holdfast tells about disks, sets and volumes: plain data, the same for the tables people see and for `--json`.
 * These shapes are documented in docs/json.md and stay stable: fields are added, never renamed.
 */
import type { DescribedField } from "../codec/struct.ts";
import type { Partition } from "../formats/partitions/table.ts";
import type { CandidateFate } from "../md/candidate.ts";
import type { SetVerdict } from "../md/verdict.ts";

/** Something recognised on a device or at a place inside it. */
export interface Finding {
  /** "md-member", "partition-table", "lvm2-pv", "ext4", "xfs", "luks", "dm-raid", ... */
  readonly type: string;
  /** First byte of the thing on the device it was found on. */
  readonly offsetBytes: number;
  readonly sizeBytes: number | null;
  readonly label: string | null;
  readonly uuid: string | null;
  /** One line for a person: "member 2 of raid5 host:data (4 disks), clean". */
  readonly text: string;
}

/** One device given or found: an image file, a block device, a partition inside one. */
export interface DeviceReport {
  /** Path; for a partition "disk.img:p2". */
  readonly path: string;
  readonly sizeBytes: number;
  readonly findings: readonly Finding[];
  readonly partitions: readonly DeviceReport[];
  /** What the partition table says of it, if it is a partition. */
  readonly partition?: Partition;
  /** Why it could not be read or understood; null if it could. */
  readonly problem: string | null;
}

/** What a member is in its set; "missing" stands for a slot that nobody fills. */
export type MemberState = CandidateFate | "missing";

export interface MemberReport {
  /** Null for a missing member. */
  readonly path: string | null;
  readonly state: MemberState;
  /** Place in the array; null for spares, journals and the like. */
  readonly slot: number | null;
  /** It is a hot replacement for the member in `slot`. */
  readonly replacement: boolean;
  readonly events: number | null;
  /** ISO 8601, from the superblock. */
  readonly updated: string | null;
  readonly recoveryOffsetSectors: number | null;
  /** One sentence where something is to be said ("event count 12 behind; it missed every write since ..."). */
  readonly note: string | null;
}

/** A set of members that belong together, or a mapped device of `--concise`. */
export interface VolumeReport {
  /** Name to be given to --volume: "data", "md127", made unique within one report. */
  readonly name: string;
  /** A mapped device ("dm") has no members to tell of; its level is the types of its targets, its disks are what it stands on. */
  readonly kind: "md" | "dm";
  readonly uuid: string;
  /** "raid5", ... */
  readonly level: string;
  /** "left-symmetric", "near=2", "-". */
  readonly layout: string;
  readonly chunkBytes: number;
  readonly raidDisks: number;
  readonly sizeBytes: number;
  /** "1.2", "0.90", ... */
  readonly metadata: string;
  /** "clean", "dirty", "degraded, clean", "reshaping", ... */
  readonly state: string;
  readonly members: readonly MemberReport[];
  readonly verdict: SetVerdict;
  /** Sentences about what was done or noticed: "journal replayed into memory: 12 stripes". */
  readonly notes: readonly string[];
  /** File system or the like found on the volume; null when it cannot be read. */
  readonly content: readonly Finding[] | null;
}

/** `holdfast scan`. */
export interface ScanReport {
  readonly devices: readonly DeviceReport[];
  readonly volumes: readonly VolumeReport[];
}

/** `holdfast examine`: every field of one superblock. */
export interface ExamineReport {
  readonly path: string;
  readonly format: string;
  readonly offsetBytes: number;
  readonly fields: readonly DescribedField[];
  /** Problems found in it: "checksum is 1234, should be 5678". */
  readonly problems: readonly string[];
}
