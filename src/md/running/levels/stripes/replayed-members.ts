/** What a log has for the members: shown until it is written out, and written out before the first write. */
import type { BlockDevice } from "../../../../block/device.ts";
import { fanOut } from "../../../../block/fan-out.ts";
import type { BioEnd } from "../../../../block/bio.ts";
import type { Patch } from "../../../../devices/patched.ts";
import { ReplayedDevice } from "../../../../devices/replayed.ts";
import type { MdCandidate } from "../../../candidate.ts";
import type { ArrayCore } from "../../core.ts";

export class ReplayedMembers {
  readonly #devices: ReadonlyMap<MdCandidate, ReplayedDevice>;

  private constructor(devices: ReadonlyMap<MdCandidate, ReplayedDevice>) {
    this.#devices = devices;
  }

  static async over(patches: ReadonlyMap<MdCandidate, readonly Patch[]>): Promise<ReplayedMembers> {
    const devices = new Map<MdCandidate, ReplayedDevice>();
    for (const [candidate, its] of patches)
      devices.set(candidate, await ReplayedDevice.over(candidate.device, its));
    return new ReplayedMembers(devices);
  }

  deviceOf(candidate: MdCandidate): BlockDevice {
    return this.#devices.get(candidate) ?? candidate.device;
  }

  /**
   * `end` when it is all on stable storage, but for members that failed at it and have left the array; an error when the array
   * cannot do without one of them, and the log must be kept.
   */
  writeOut(core: ArrayCore, end: BioEnd): void {
    const part = fanOut(this.#devices.size + 1, end);
    for (const device of this.#devices.values()) {
      device.writeOut((error) => {
        const member = core.members.attached.find((one) => one.device === device);
        if (error === null || member === undefined) part(error);
        else core.memberFailed(member, error, part);
      });
    }
    part(null);
  }
}
