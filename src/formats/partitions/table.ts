/** What a partition table says, whatever its kind. Sectors are 512 bytes, counted from the start of the device. */

export interface Partition {
  /** As Linux numbers it: the N of sdaN. */
  readonly number: number;
  readonly startSector: number;
  readonly sectors: number;
  /** "Linux RAID", "EFI system", ...; the raw type where it has no name here. */
  readonly typeName: string;
  /** GPT partition name; MBR has none. */
  readonly label: string | null;
  /** GPT unique GUID, or for MBR Linux's PARTUUID: disk signature and number. */
  readonly uuid: string | null;
  /** MBR's active flag, GPT's legacy BIOS boot attribute. */
  readonly bootable: boolean;
  /** An MBR's extended partition: a container of the logical ones, which are listed themselves. */
  readonly extended: boolean;
}

export interface PartitionTable {
  readonly kind: "gpt" | "mbr";
  /** GPT disk GUID; MBR disk signature, "1a2b3c4d". */
  readonly uuid: string | null;
  /** The unit of the numbers in the table. */
  readonly logicalBlockBytes: number;
  /** In order of number. */
  readonly partitions: readonly Partition[];
  /** Sentences about what is not as it should be. */
  readonly notes: readonly string[];
}

/** More are not listed. Linux itself stops at 256. */
export const MAX_PARTITIONS = 256;
