/** Mapped devices: suspend, swap and removal amid requests. */
import { MappedDevice } from "../../dm/mapped-device.ts";
import type { MappedUse, UseOptions } from "../../dm/mapped-use.ts";
import { GIVEN_BACK } from "../../dm/target.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";
import { ending, instead, wrapped } from "./dm-targets.ts";

class SuspendedAtOnce extends MappedDevice {
  protected override drain(): Promise<void> {
    return Promise.resolve();
  }
}

class SwappedAtOnce extends MappedDevice {
  protected override drain(): Promise<void> {
    return this.inactive === null ? super.drain() : Promise.resolve();
  }
}

/** Who closes it does not wait for what is under way, nor does its removal. */
class RemovedAtOnce extends SuspendedAtOnce {
  #closing = 0;

  override get openCount(): number {
    return super.openCount - this.#closing;
  }

  override open(options: UseOptions): MappedUse {
    const use = super.open(options);
    return standIn(use, {
      close: () => {
        this.#closing += 1;
        void use.close().then(() => (this.#closing -= 1));
        return Promise.resolve();
      },
    });
  }
}

export const DM_DEVICE_MUTANTS: readonly Mutant[] = [
  {
    name: "suspend-does-not-wait",
    about: "a mapped device counts as suspended while bios are under way",
    law: 7,
    origin: "dm-devel: regressions of the sync thread in 6.7",
    scenario: "dm-mirror-swap",
    mapped: () => ({ device: (...words) => new SuspendedAtOnce(...words) }),
  },
  {
    name: "swap-does-not-wait",
    about: "bios of the old table are under way when the new one is live",
    law: 7,
    origin: null,
    scenario: "dm-mirror-swap",
    mapped: () => ({ device: (...words) => new SwappedAtOnce(...words) }),
  },
  {
    name: "remove-does-not-wait",
    about: "a mapped device is closed and removed while bios are under way",
    law: 7,
    origin: null,
    scenario: "dm-mirror-swap",
    mapped: () => ({ device: (...words) => new RemovedAtOnce(...words) }),
  },
  {
    name: "noflush-loses-held",
    about: "writes that a mirror holds end well in a noflush suspend, and are written nowhere",
    law: 7,
    origin: null,
    scenario: "dm-mirror-fail",
    mapped: instead(() => [
      wrapped(
        "mirror",
        () => ({}),
        (target) =>
          ending(target, (_bio, end) => (error) => end(error === GIVEN_BACK ? null : error)),
      ),
    ]),
  },
];
