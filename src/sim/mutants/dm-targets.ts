/** What mutants of mapped devices put in the place of target types, and around what these are given. */
import { BioFlags } from "../../block/bio.ts";
import { Bio } from "../../block/bio.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { flush } from "../../block/promises.ts";
import type { HoldfastError } from "../../base/errors.ts";
import { toHoldfastError } from "../../base/errors.ts";
import type { MappedParts } from "../../dm/parts.ts";
import type { Target, TargetContext, TargetDevice, TargetType } from "../../dm/target.ts";
import { targetType } from "../../dm/targets/index.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";
import { unflushed } from "./devices.ts";

/** Target types in the place of those of the same name. @param make at each start */
export function instead(make: () => readonly TargetType[]): NonNullable<Mutant["mapped"]> {
  return (): Partial<MappedParts> => {
    const types = make();
    return { targetType: (name) => types.find((type) => type.name === name) ?? targetType(name) };
  };
}

/** A type whose targets are given another context, and are shown to be something else. */
export function wrapped(
  name: string,
  context: (real: TargetContext) => Partial<TargetContext>,
  around: (target: Target) => Target = (target) => target,
): TargetType {
  const type = targetType(name);
  return {
    ...type,
    construct: async (real, words) =>
      around(await type.construct({ ...real, ...context(real) }, words)),
  };
}

/** A target whose bios end in another way. */
export function ending(target: Target, ended: (bio: Bio, end: BioEnd) => BioEnd): Target {
  return standIn(target, {
    submit: (bio) => {
      const { op, sector, sectors, data, flags } = bio;
      target.submit(
        new Bio(
          op,
          sector,
          sectors,
          data,
          flags,
          ended(bio, (error) => bio.end(error)),
        ),
      );
    },
  });
}

/**
 * Devices that targets do not flush as they mean to. What clients ask for is made good when the target has answered, so that nothing is wrong but
 * the order.
 */
export class FlushedLate {
  readonly #devices: BlockDevice[] = [];
  readonly #asSeen: (device: BlockDevice) => BlockDevice;

  /** @param asSeen by the target; as it is unless given, all flushes are answered, and nothing is flushed */
  constructor(asSeen: (device: BlockDevice) => BlockDevice = unflushed) {
    this.#asSeen = asSeen;
  }

  /** @param word of the device in the table */
  opening(word: string): (real: TargetContext) => Partial<TargetContext> {
    return (real) => ({
      open: async (name, mode): Promise<TargetDevice> => {
        const found = await real.open(name, mode);
        if (name !== word) return found;
        this.#devices.push(found.device);
        return { ...found, device: this.#asSeen(found.device) };
      },
    });
  }

  readonly served = (target: Target): Target =>
    ending(target, ({ op, flags }, end) => (error) => {
      if (error !== null || (op !== "flush" && (flags & BioFlags.fua) === 0)) end(error);
      else this.#flush(end);
    });

  #flush(end: (error: HoldfastError | null) => void): void {
    Promise.all(this.#devices.map((device) => flush(device))).then(
      () => end(null),
      (error: unknown) => end(toHoldfastError(error)),
    );
  }
}
