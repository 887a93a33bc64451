/** The superblock of an integrity device, as it is in memory, and how it comes to the device. */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { BioFlags } from "../../../block/bio.ts";
import type { BlockDevice } from "../../../block/device.ts";
import { readSectors, writeSectors } from "../../../block/promises.ts";
import {
  INTEGRITY_FLAGS,
  INTEGRITY_MAGIC,
  INTEGRITY_SUPERBLOCK_SECTORS,
  integritySuperblock,
  integritySuperblockProblem,
  integrityVersion,
} from "../../../formats/dm-integrity.ts";
import type { IntegritySuperblock } from "../../../formats/dm-integrity.ts";

export type IntegrityFlag = Exclude<keyof typeof INTEGRITY_FLAGS, "journalMac" | "inline">;

interface Home {
  readonly device: BlockDevice;
  readonly sector: number;
  readonly hasMetaDevice: boolean;
}

/** Of no table: bits for so much there are not. */
const NO_BITS_LOG = 255;

export class Superblock {
  readonly #home: Home;
  /** All of it: what is not known here stays. */
  readonly #bytes: Uint8Array;
  readonly #values: { -readonly [K in keyof IntegritySuperblock]: IntegritySuperblock[K] };

  private constructor(home: Home, bytes: Uint8Array) {
    this.#home = home;
    this.#bytes = bytes;
    this.#values = integritySuperblock.decode(bytes);
  }

  /**
   * @param takesAnything what is no superblock at all is as good as zeros
   * @returns null: there are only zeros. @throws `bad-metadata` for anything that is no superblock that can be worked with, `io`
   */
  static async read(home: Home, takesAnything = false): Promise<Superblock | null> {
    const { device, sector, hasMetaDevice } = home;
    if (sector + INTEGRITY_SUPERBLOCK_SECTORS > device.sectors)
      throw new HoldfastError("usage", `${device.name} is too small for a superblock.`);
    const bytes = await readSectors(device, sector, INTEGRITY_SUPERBLOCK_SECTORS);
    if (bytes.every((byte) => byte === 0)) return null;
    const superblock = new Superblock(home, bytes);
    const values = superblock.#values;
    const isOne = values.magic === INTEGRITY_MAGIC;
    if (!isOne && takesAnything) return null;
    const problem = isOne
      ? integritySuperblockProblem(values, hasMetaDevice)
      : "it has no superblock of dm-integrity, and no zeros in its place either: overwrite its first 4 KiB with zeros to have it formatted";
    if (problem !== null) throw new HoldfastError("bad-metadata", `${device.name}: ${problem}.`);
    return superblock;
  }

  /** A new one, which is not written yet. */
  static make(home: Home, values: Omit<IntegritySuperblock, "magic" | "version">): Superblock {
    const bytes = new Uint8Array(INTEGRITY_SUPERBLOCK_SECTORS * SECTOR_BYTES);
    integritySuperblock.encodeInto(bytes, 0, { ...values, magic: INTEGRITY_MAGIC, version: 0 });
    return new Superblock(home, bytes);
  }

  get values(): Readonly<IntegritySuperblock> {
    return this.#values;
  }

  has(flag: IntegrityFlag): boolean {
    return (this.#values.flags & INTEGRITY_FLAGS[flag]) !== 0;
  }

  set(flag: IntegrityFlag): void {
    this.#values.flags |= INTEGRITY_FLAGS[flag];
  }

  clear(flag: IntegrityFlag): void {
    this.#values.flags &= ~INTEGRITY_FLAGS[flag];
  }

  set recalculatedSectors(sectors: number) {
    this.#values.recalculatedSectors = sectors;
  }

  set dataSectors(sectors: number) {
    this.#values.dataSectors = sectors;
  }

  get hasTagsToMake(): boolean {
    const { recalculatedSectors, dataSectors } = this.#values;
    return this.has("recalculating") && recalculatedSectors < dataSectors;
  }

  /** Whoever finds it takes all bits for set, kernels too: as long as they are none of a bitmap, or not yet. */
  distrustBits(): void {
    this.#values.logBlocksPerBit = NO_BITS_LOG;
  }

  set logBlocksPerBit(log: number) {
    this.#values.logBlocksPerBit = log;
  }

  /** All tags are to be made anew, from the first on. */
  recalculateAll(): void {
    this.set("recalculating");
    this.recalculatedSectors = 0;
  }

  /** Durable when it resolves. What it vouches for was flushed before. @param hasBitmap it is in bitmap mode */
  async write(hasBitmap: boolean): Promise<void> {
    const { device, sector, hasMetaDevice } = this.#home;
    this.#values.version = integrityVersion(this.#values.flags, hasBitmap, hasMetaDevice);
    integritySuperblock.encodeInto(this.#bytes, 0, this.#values);
    await writeSectors(device, sector, this.#bytes.slice(), BioFlags.fua);
  }
}
