/**
 * delay: everything takes longer, reads, writes and flushes each by a time and to a place of their own.
 * `DEVICE OFFSET DELAY-MS [WRITE-DEVICE OFFSET DELAY-MS [FLUSH-DEVICE OFFSET DELAY-MS]]`: what is not given is as the one before.
 *
 * Facts: drivers/md/dm-delay.c. A suspend lets everything go at once, and nothing is delayed until the device is resumed.
 */
import { ignore } from "../../../base/nothing.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { Relay } from "../../../block/relay.ts";
import type { Timer, Timers } from "../../../env/env.ts";
import { checkRange } from "../../one-device-target.ts";
import { quoteWord } from "../../table.ts";
import type {
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Words } from "../../words.ts";

const MAX_U32 = 2 ** 32 - 1;

interface Place {
  readonly on: TargetDevice;
  readonly offset: number;
  readonly delayMs: number;
}

/** Where one kind of bios goes. */
interface Lane extends Place {
  readonly relay: Relay;
  /** Bios held now. */
  held: number;
}

interface Delayed {
  readonly timer: Timer;
  readonly go: () => void;
}

class DelayTarget implements Target {
  readonly limits: TargetLimits;
  readonly splitSectors = 0;
  readonly devices: readonly TargetDevice[];
  readonly #timers: Timers;
  readonly #places: readonly Place[];
  readonly #read: Lane;
  readonly #write: Lane;
  readonly #flush: Lane;
  readonly #delayed = new Set<Delayed>();
  #isDelaying = true;

  /** @param places one, two or three: as the table has them */
  constructor(places: readonly Place[], timers: Timers) {
    this.#places = places;
    this.#timers = timers;
    this.devices = places.map(({ on }) => on);
    const lanes = [0, 1, 2].map((kind) => {
      const place = places[Math.min(kind, places.length - 1)]!;
      return { ...place, relay: new Relay(place.on.device, ignore), held: 0 };
    });
    this.#read = lanes[0]!;
    this.#write = lanes[1]!;
    this.#flush = lanes[2]!;
    this.limits = this.#write.on.device.limits;
  }

  submit(bio: Bio): void {
    const lane = this.#laneOf(bio);
    const sector = bio.op === "flush" ? 0 : bio.sector + lane.offset;
    if (lane.delayMs === 0 || !this.#isDelaying) {
      lane.relay.pass(bio, sector);
      return;
    }
    lane.held += 1;
    const go = (): void => {
      this.#delayed.delete(delayed);
      lane.held -= 1;
      lane.relay.pass(bio, sector);
    };
    const delayed: Delayed = { timer: this.#timers.set(lane.delayMs, go), go };
    this.#delayed.add(delayed);
  }

  #laneOf({ op }: Bio): Lane {
    switch (op) {
      case "read":
        return this.#read;
      case "flush":
        return this.#flush;
      case "write":
      case "discard":
      case "write-zeroes":
        return this.#write;
    }
  }

  presuspend(): void {
    this.#isDelaying = false;
    for (const { timer, go } of this.#delayed) {
      timer.cancel();
      go();
    }
  }

  resume(): void {
    this.#isDelaying = true;
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const { on, offset } = this.#read;
    return on.device
      .extents(sector + offset, sectors, maxExtents)
      .map((run) => ({ ...run, sector: run.sector - offset }));
  }

  /** Bios that are held: reads, writes, flushes. */
  status(): string {
    return `${this.#read.held} ${this.#write.held} ${this.#flush.held}`;
  }

  table(): string {
    return this.#places
      .map(({ on, offset, delayMs }) => `${quoteWord(on.id)} ${offset} ${delayMs}`)
      .join(" ");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const places: Place[] = [];
  for (const what of ["", "write ", "flush "]) {
    if (places.length > 0 && words.left === 0) break;
    const word = words.word(`the ${what}device`);
    const offset = words.number(`the ${what}offset in sectors`);
    const on = await context.open(word);
    checkRange(on, offset, context.sectors, (why) => words.wrong(why));
    places.push({ on, offset, delayMs: words.number(`the ${what}delay in ms`, 0, MAX_U32) });
  }
  words.end();
  return new DelayTarget(places, context.env.timers);
}

export const DELAY: TargetType = {
  name: "delay",
  version: [1, 4, 0],
  isSingleton: false,
  construct,
};
