/** Seats: the ways in which clients reach the array: its bios, or connections to its NBD server, which are made again when they are lost. */
import { HoldfastError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import type { BlockDevice } from "../block/device.ts";
import { openNbdDevice } from "../devices/nbd.ts";
import { SimProcess } from "./process.ts";
import { NBD_URI } from "./service.ts";
import type { Service, ServiceWatcher } from "./service.ts";
import type { Link, SimNetwork } from "./sockets.ts";
import type { World } from "./world.ts";

const RETRY_MS = 100;

/** What clients use: an array, or a mapped device. */
export interface Served {
  readonly world: World;
  /** Counts starts. */
  readonly life: number;
  readonly isRunning: boolean;
  /** Null: nobody can use it now. */
  readonly front: BlockDevice | null;
  readonly shape: { readonly connections?: number };
  readonly network: SimNetwork;
  /** Null: clients use its bios. */
  readonly service: Service | null;
  watcher: ServiceWatcher | null;
  /** What nobody has promised to answer well now. */
  readonly mayFail?: () => boolean;
}

export interface Seat {
  readonly device: BlockDevice;
  /** Null: it uses the array's bios. */
  readonly link: Link | null;
}

export class Seats {
  readonly #machine: Served;
  /** Theirs: no power cut at the array's machine ends it. */
  readonly #process: SimProcess;
  readonly #prng: Prng;
  /** By connection; null: it is being made. */
  readonly #taken: (Seat | null)[];
  #isWanted = true;
  #waiting: (() => void)[] = [];
  /** Called when a connection is over on the server's side. */
  onServerGone: () => void = () => {};

  constructor(machine: Served) {
    this.#machine = machine;
    this.#process = new SimProcess(machine.world);
    this.#prng = machine.world.prng("seats");
    this.#taken = Array.from({ length: machine.shape.connections ?? 0 }, () => null);
    for (const index of this.#taken.keys()) this.#connectSoon(index, 0);
  }

  get isRemote(): boolean {
    return this.#taken.length > 0;
  }

  /** One of those that are there; null: none is. */
  any(): Seat | null {
    const { front } = this.#machine;
    if (!this.isRemote) return front === null ? null : { device: front, link: null };
    const there = this.#taken.filter((seat) => seat !== null);
    return there.length === 0 ? null : this.#prng.pick(there);
  }

  break(connection: number): boolean {
    const link = this.#taken[connection % this.#taken.length]?.link ?? null;
    link?.break();
    return link !== null;
  }

  /** All are connected. */
  whenUp(): Promise<void> {
    return this.#when(() => this.#taken.every((seat) => seat !== null));
  }

  /** None is. */
  whenDown(): Promise<void> {
    return this.#when(() => this.#taken.every((seat) => seat === null));
  }

  /** They say goodbye, and do not come back. */
  async leave(): Promise<void> {
    this.#isWanted = false;
    await Promise.all(
      this.#taken.map(async (seat) => {
        if (seat !== null) await seat.device.close();
      }),
    );
    await this.whenDown();
  }

  async #when(is: () => boolean): Promise<void> {
    while (!is()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  #connectSoon(index: number, delayMs: number): void {
    this.#process.set(delayMs, () => {
      if (!this.#isWanted) return;
      this.#connect(index).catch((error: unknown) => {
        // Nobody listens, or it broke again, or the array cannot be written now.
        if (!(error instanceof HoldfastError)) throw error;
        this.#connectSoon(index, RETRY_MS);
      });
    });
  }

  async #connect(index: number): Promise<void> {
    const { network } = this.#machine;
    const links: Link[] = [];
    const env = {
      clock: this.#process,
      timers: this.#process,
      sockets: {
        connect: async (address: Parameters<typeof network.connect>[1]) => {
          const link = await network.connect(this.#process, address);
          link.server.onGone = () => this.onServerGone();
          links.push(link);
          return link.client;
        },
      },
    };
    const device = await openNbdDevice(env, NBD_URI, { readOnly: false });
    const link = links[0]!;
    if (link.client.isGone) throw new HoldfastError("io", "It broke before it was of any use.");
    this.#taken[index] = { device, link };
    link.client.onGone = () => {
      this.#taken[index] = null;
      this.#changed();
      this.#connectSoon(index, this.#prng.below(RETRY_MS));
    };
    this.#changed();
  }
}
