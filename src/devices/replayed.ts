/**
 * ReplayedDevice: a device that shows what a log has for it, until that is written out; from then on it is the device itself. Before, it
 * takes no writes; its limits are as they will be when all is written out.
 */
import type { Bio, BioEnd } from "../block/bio.ts";
import { flushBio, writeBio } from "../block/bio.ts";
import type { BlockDevice, Extent } from "../block/device.ts";
import { inSequence } from "../block/fan-out.ts";
import { DeviceOver } from "../block/over.ts";
import { layOver } from "./patched.ts";
import type { Patch } from "./patched.ts";

export class ReplayedDevice extends DeviceOver {
  #patches: readonly Patch[];
  /** What is read and written. */
  #shown: BlockDevice;

  private constructor(device: BlockDevice, patches: readonly Patch[], shown: BlockDevice) {
    super(device);
    this.#patches = patches;
    this.#shown = shown;
  }

  /** It borrows the device. Later patches go over earlier ones. */
  static async over(device: BlockDevice, patches: readonly Patch[]): Promise<ReplayedDevice> {
    return new ReplayedDevice(device, patches, await layOver(device, patches));
  }

  submit(bio: Bio): void {
    this.#shown.submit(bio);
  }

  override extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#shown.extents(sector, sectors, maxExtents);
  }

  /** Writes the patches, then flushes; after an error it shows them still. */
  writeOut(end: BioEnd): void {
    const write = (index: number, ended: BioEnd): void => {
      const { sector, data } = this.#patches[index]!;
      this.inner.submit(writeBio(sector, data, 0, ended));
    };
    const written: BioEnd = (error) => {
      if (error === null) this.inner.submit(flushBio(flushed));
      else end(error);
    };
    const flushed: BioEnd = (error) => {
      if (error === null) {
        this.#shown = this.inner;
        this.#patches = [];
      }
      end(error);
    };
    inSequence(this.#patches.length, write, written);
  }
}
