/**
 * striped: chunks in turn over several devices. `STRIPES CHUNK-SECTORS [DEVICE OFFSET]...`
 *
 * Facts: drivers/md/dm-stripe.c. A device that gave an error is shown as `D` until the table is loaded anew; it is used as before.
 */
import type { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { flushBio } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice, Extent } from "../../../block/device.ts";
import { ExtentList } from "../../../block/extents.ts";
import { fanOut } from "../../../block/fan-out.ts";
import { Relay } from "../../../block/relay.ts";
import { checkRange } from "../../one-device-target.ts";
import { quoteWord } from "../../table.ts";
import type {
  Route,
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Words } from "../../words.ts";

const MAX_U32 = 2 ** 32 - 1;
/** A device that goes on failing is told of only so often (DM_IO_ERROR_THRESHOLD). */
const MAX_EVENTS = 15;

/** Errors of one device, however many stripes are on it. */
interface Health {
  errors: number;
}

interface Stripe {
  readonly on: TargetDevice;
  readonly offset: number;
  readonly relay: Relay;
  readonly health: Health;
}

class StripedTarget implements Target, Route {
  readonly limits: TargetLimits;
  readonly splitSectors: number;
  readonly devices: readonly TargetDevice[];
  readonly route: Route = this;
  readonly #stripes: readonly Stripe[];
  readonly #event: () => void;

  constructor(
    places: readonly { on: TargetDevice; offset: number }[],
    chunkSectors: number,
    event: () => void,
  ) {
    this.#event = event;
    this.splitSectors = chunkSectors;
    this.devices = places.map(({ on }) => on);
    const healths = new Map<string, Health>();
    this.#stripes = places.map(({ on, offset }) => {
      const health = healths.get(on.key) ?? { errors: 0 };
      healths.set(on.key, health);
      const relay = new Relay(on.device, (_bio, error) => note(health, error, event));
      return { on, offset, relay, health };
    });
    const all = places.map(({ on }) => on.device.limits);
    this.limits = {
      logicalBlockBytes: Math.max(...all.map((each) => each.logicalBlockBytes)),
      optimalIoBytes: chunkSectors * SECTOR_BYTES * places.length,
      discard: all.every((each) => each.discard),
      writeZeroes: all.every((each) => each.writeZeroes),
    };
  }

  submit(bio: Bio): void {
    if (bio.op === "flush") {
      this.#flush(bio);
      return;
    }
    this.#stripeOf(bio.sector).relay.pass(bio, this.sectorAt(bio.sector));
  }

  deviceAt(sector: number): BlockDevice {
    return this.#stripeOf(sector).on.device;
  }

  failed(sector: number, error: HoldfastError): void {
    note(this.#stripeOf(sector).health, error, this.#event);
  }

  #flush(bio: Bio): void {
    const once = [...new Map(this.#stripes.map((stripe) => [stripe.on.key, stripe])).values()];
    const ended = fanOut(once.length, bio.end);
    for (const stripe of once) stripe.relay.pass(flushBio(ended), 0);
  }

  #stripeOf(sector: number): Stripe {
    return this.#stripes[Math.floor(sector / this.splitSectors) % this.#stripes.length]!;
  }

  /** On the stripe's device. */
  sectorAt(sector: number): number {
    const chunkSectors = this.splitSectors;
    const stripes = this.#stripes;
    const chunk = Math.floor(sector / chunkSectors);
    const row = Math.floor(chunk / stripes.length);
    const { offset } = stripes[chunk - row * stripes.length]!;
    return offset + row * chunkSectors + (sector - chunk * chunkSectors);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const list = new ExtentList(sector, maxExtents);
    const end = sector + sectors;
    while (list.end < end) {
      const { device } = this.#stripeOf(list.end).on;
      const toChunk = this.splitSectors - (list.end % this.splitSectors);
      const wanted = Math.min(toChunk, end - list.end);
      for (const run of device.extents(this.sectorAt(list.end), wanted, maxExtents))
        if (!list.add(run.sectors, run.kind)) return list.extents;
    }
    return list.extents;
  }

  status(): string {
    const ids = this.#stripes.map(({ on }) => quoteWord(on.id)).join(" ");
    const health = this.#stripes.map((stripe) => (stripe.health.errors > 0 ? "D" : "A")).join("");
    return `${this.#stripes.length} ${ids} 1 ${health}`;
  }

  table(): string {
    const places = this.#stripes.map(({ on, offset }) => `${quoteWord(on.id)} ${offset}`);
    return `${places.length} ${this.splitSectors} ${places.join(" ")}`;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function note(health: Health, error: HoldfastError | null, event: () => void): void {
  if (error === null || error.code === "unsupported") return;
  health.errors += 1;
  if (health.errors < MAX_EVENTS) event();
}

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const stripes = words.number("the number of stripes", 1, MAX_U32);
  if (context.sectors % stripes !== 0)
    throw words.wrong(`the target's ${context.sectors} sectors are not so many equal stripes`);
  const width = context.sectors / stripes;
  const chunkSectors = words.number("the chunk size in sectors", 1, MAX_U32);
  if (width % chunkSectors !== 0)
    throw words.wrong(`the ${width} sectors of a stripe are no whole number of chunks`);
  const places: { on: TargetDevice; offset: number }[] = [];
  if (words.left < stripes * 2)
    throw words.wrong(`${stripes} devices with their offsets do not follow`);
  for (let stripe = 0; stripe < stripes; stripe += 1) {
    const word = words.word("the device");
    const offset = words.number("the offset in sectors");
    const on = await context.open(word);
    checkRange(on, offset, width, (why) => words.wrong(why));
    places.push({ on, offset });
  }
  words.end();
  return new StripedTarget(places, chunkSectors, () => context.event());
}

export const STRIPED: TargetType = {
  name: "striped",
  version: [1, 6, 0],
  isSingleton: false,
  construct,
};
