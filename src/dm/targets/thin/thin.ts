/**
 * thin: a device of a pool, whose blocks are taken from the pool when they are first written.
 *
 *   POOL DEVICE [EXTERNAL-ORIGIN]
 */
import { HoldfastError } from "../../../base/errors.ts";
import { sectorsToBytes } from "../../../base/units.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { MAX_THIN_DEVICE } from "../../../formats/thin.ts";
import { quoteWord } from "../../table.ts";
import type {
  SuspendKind,
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Pool } from "../../thin/pool.ts";
import { Volume } from "../../thin/volume.ts";
import type { Words } from "../../words.ts";
import { ThinPoolTarget } from "../thin-pool/thin-pool.ts";

class ThinTarget implements Target {
  readonly splitSectors = 0;
  readonly devices: readonly TargetDevice[];
  readonly #volume: Volume;
  readonly #leave: () => void;

  constructor(volume: Volume, devices: readonly TargetDevice[], leave: () => void) {
    this.#volume = volume;
    this.devices = devices;
    this.#leave = leave;
  }

  get #pool(): Pool {
    return this.#volume.pool;
  }

  get limits(): TargetLimits {
    return {
      logicalBlockBytes: this.#pool.data.limits.logicalBlockBytes,
      optimalIoBytes: sectorsToBytes(this.#pool.blockSectors),
      discard: this.#pool.features.discards,
      writeZeroes: false,
    };
  }

  submit(bio: Bio): void {
    this.#volume.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#volume.extents(sector, sectors, maxExtents);
  }

  async status(): Promise<string> {
    const { metadata, mode, blockSectors } = this.#pool;
    if (mode === "fail") return "Fail";
    const { device } = this.#volume;
    const highest = await metadata.highest(device);
    const last = highest === null ? "-" : (highest + 1) * blockSectors - 1;
    return `${device.details.mappedBlocks * blockSectors} ${last}`;
  }

  table(): string {
    const [pool, origin] = this.devices.map(({ id }) => quoteWord(id));
    const words = `${pool} ${this.#volume.device.id}`;
    return origin === undefined ? words : `${words} ${origin}`;
  }

  presuspend(kind: SuspendKind): void {
    this.#volume.presuspend(kind === "noflush");
  }

  resume(): void {
    this.#volume.resume();
  }

  close(): Promise<void> {
    this.#pool.metadata.closeDevice(this.#volume.device);
    this.#leave();
    return Promise.resolve();
  }
}

/** @throws `usage` for a device that is no pool, `not-found` for one whose table is not live */
function poolOf({ mapped, id }: TargetDevice, words: Words): ThinPoolTarget {
  const target = mapped?.live?.targets[0]?.target;
  if (target instanceof ThinPoolTarget) return target;
  throw words.wrong(`${id} is no pool that is live`);
}

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const poolDevice = await context.open(words.word("the pool"));
  const target = poolOf(poolDevice, words);
  const { pool } = target;
  const id = words.number("the device's number", 0, MAX_THIN_DEVICE);
  const originWord = words.left === 0 ? null : words.word("the external origin");
  words.end();
  if (pool.mode === "fail")
    throw new HoldfastError("io", `The pool ${pool.name} has failed; nothing can be opened in it.`);
  if (pool.isPaused)
    throw new HoldfastError(
      "usage",
      `The pool ${pool.name} is suspended; nothing is opened in it before it is resumed.`,
    );
  const origin = originWord === null ? null : await context.open(originWord, "read-only");
  if (origin !== null && origin.key === poolDevice.key)
    throw words.wrong("the external origin cannot be the pool itself");
  const device = await pool.metadata.openDevice(id);
  const devices = origin === null ? [poolDevice] : [poolDevice, origin];
  return new ThinTarget(new Volume(pool, device, origin?.device ?? null), devices, target.join());
}

export const THIN: TargetType = {
  name: "thin",
  version: [1, 23, 0],
  isSingleton: false,
  construct,
};
