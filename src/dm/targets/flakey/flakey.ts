/**
 * flakey: a device that is good for some seconds and bad for some, again and again, counted from when its table was loaded.
 * `DEVICE OFFSET UP-SECONDS DOWN-SECONDS [N FEATURE...]`
 *
 * Facts: drivers/md/dm-flakey.c. Without features all I/O fails while it is down. What is written corrupted is a copy: the buffer above stays as
 * it is.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { Bio, BioFlags, readBio } from "../../../block/bio.ts";
import type { Clock, RandomSource } from "../../../env/env.ts";
import { OneDeviceTarget, checkRange } from "../../one-device-target.ts";
import { quoteWord } from "../../table.ts";
import type { Target, TargetContext, TargetDevice, TargetType } from "../../target.ts";
import type { Words } from "../../words.ts";
import { CERTAIN, featureText, parseFeatures } from "./features.ts";
import type { CorruptByte, FlakeyFeatures } from "./features.ts";

const MAX_U32 = 2 ** 32 - 1;
/** include/linux/blk_types.h: the operation, and the only flag that bios have here. */
const REQ_OP_WRITE = 1;
const REQ_FUA = 2 ** 17;

interface Intervals {
  readonly upSeconds: number;
  readonly downSeconds: number;
}

class FlakeyTarget extends OneDeviceTarget {
  readonly #intervals: Intervals;
  readonly #features: FlakeyFeatures;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #startMs: number;

  constructor(
    on: TargetDevice,
    offset: number,
    intervals: Intervals,
    features: FlakeyFeatures,
    { clock, random }: { readonly clock: Clock; readonly random: RandomSource },
  ) {
    super(on, offset);
    this.#intervals = intervals;
    this.#features = features;
    this.#clock = clock;
    this.#random = random;
    this.#startMs = clock.monotonicMs();
  }

  get #isDown(): boolean {
    const { upSeconds, downSeconds } = this.#intervals;
    const elapsed = Math.floor((this.#clock.monotonicMs() - this.#startMs) / 1000);
    return elapsed % (upSeconds + downSeconds) >= upSeconds;
  }

  override submit(bio: Bio): void {
    if (!this.#isDown) this.pass(bio);
    else if (bio.op === "read") this.#read(bio);
    else this.#change(bio);
  }

  #fail(bio: Bio): void {
    const id = this.devices[0]!.id;
    bio.end(
      new HoldfastError("io", `A flakey target lets no ${bio.op} through to ${id} just now.`),
    );
  }

  #read(bio: Bio): void {
    const { errorReads, corruptByte, randomRead } = this.#features;
    if (errorReads) {
      this.#fail(bio);
      return;
    }
    const passed = readBio(bio.sector, bio.data, (error) => {
      if (error === null) this.#corrupt(bio.data, bio, corruptByte, "r", this.#hits(randomRead));
      bio.end(error);
    });
    this.pass(passed);
  }

  #change(bio: Bio): void {
    const { writes, corruptByte, randomWrite } = this.#features;
    switch (writes) {
      case "dropped":
        bio.end(null);
        return;
      case "failed":
        this.#fail(bio);
        return;
      case "passed": {
        const data = bio.data.slice();
        this.#corrupt(data, bio, corruptByte, "w", this.#hits(randomWrite));
        this.pass(new Bio(bio.op, bio.sector, bio.sectors, data, bio.flags, bio.end));
      }
    }
  }

  #hits(probability: number): boolean {
    return probability > 0 && this.#below(CERTAIN) < probability;
  }

  /** A number that chance gives. */
  #below(limit: number): number {
    const bytes = this.#random.bytes(6);
    const number = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    return number % limit;
  }

  #corrupt(
    data: Uint8Array,
    bio: Bio,
    fixed: CorruptByte | null,
    direction: "r" | "w",
    byChance: boolean,
  ): void {
    if (data.length === 0) return;
    if (fixed?.direction === direction && hasFlags(bio, fixed.flags) && fixed.byte <= data.length)
      data[fixed.byte - 1] = fixed.value;
    if (byChance) data[this.#below(data.length)] = this.#below(256);
  }

  status(): string {
    return "";
  }

  table(): string {
    const { upSeconds, downSeconds } = this.#intervals;
    const place = `${quoteWord(this.devices[0]!.id)} ${this.offset}`;
    return `${place} ${upSeconds} ${downSeconds} ${featureText(this.#features)}`;
  }
}

function hasFlags({ op, flags }: Bio, wanted: number): boolean {
  const has = (op === "read" ? 0 : REQ_OP_WRITE) + ((flags & BioFlags.fua) === 0 ? 0 : REQ_FUA);
  return (BigInt(has) & BigInt(wanted)) === BigInt(wanted);
}

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const word = words.word("the device");
  const offset = words.number("the offset in sectors");
  const on = await context.open(word);
  checkRange(on, offset, context.sectors, (why) => words.wrong(why));
  const upSeconds = words.number("the seconds up", 0, MAX_U32);
  const downSeconds = words.number("the seconds down", 0, MAX_U32 - upSeconds);
  if (upSeconds + downSeconds === 0) throw words.wrong("it would be neither up nor down");
  const features = parseFeatures(words);
  return new FlakeyTarget(on, offset, { upSeconds, downSeconds }, features, context.env);
}

export const FLAKEY: TargetType = {
  name: "flakey",
  version: [1, 5, 0],
  isSingleton: false,
  construct,
};
