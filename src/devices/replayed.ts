/**
 * ReplayedDevice: a device that shows what a log has for it, until that is written out; from then on it is the device itself. Before, it
 * takes no writes.
 */
import type { Bio, BioEnd } from "../block/bio.ts";
import { flushBio, writeBio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { inSequence } from "../block/fan-out.ts";
import { layOver } from "./patched.ts";
import type { Patch } from "./patched.ts";

export class ReplayedDevice implements BlockDevice {
  readonly #device: BlockDevice;
  #patches: readonly Patch[];
  /** What is read and written. */
  #shown: BlockDevice;

  private constructor(device: BlockDevice, patches: readonly Patch[], shown: BlockDevice) {
    this.#device = device;
    this.#patches = patches;
    this.#shown = shown;
  }

  /** It borrows the device. Later patches go over earlier ones. */
  static async over(device: BlockDevice, patches: readonly Patch[]): Promise<ReplayedDevice> {
    return new ReplayedDevice(device, patches, await layOver(device, patches));
  }

  get name(): string {
    return this.#device.name;
  }

  get sectors(): number {
    return this.#device.sectors;
  }

  /** As they will be when all is written out. */
  get limits(): BlockLimits {
    return this.#device.limits;
  }

  submit(bio: Bio): void {
    this.#shown.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#shown.extents(sector, sectors, maxExtents);
  }

  /** Writes the patches, then flushes; after an error it shows them still. */
  writeOut(end: BioEnd): void {
    const write = (index: number, ended: BioEnd): void => {
      const { sector, data } = this.#patches[index]!;
      this.#device.submit(writeBio(sector, data, 0, ended));
    };
    const written: BioEnd = (error) => {
      if (error === null) this.#device.submit(flushBio(flushed));
      else end(error);
    };
    const flushed: BioEnd = (error) => {
      if (error === null) {
        this.#shown = this.#device;
        this.#patches = [];
      }
      end(error);
    };
    inSequence(this.#patches.length, write, written);
  }

  close(): Promise<void> {
    return this.#device.close();
  }
}
