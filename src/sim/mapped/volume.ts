/** Volume: a mapped device that clients use, and what it may hold. */
import type { BlockDevice } from "../../block/device.ts";
import { flush } from "../../block/promises.ts";
import type { MappedUse } from "../../dm/mapped-use.ts";
import { Clients } from "../clients.ts";
import { endingOnce } from "../front.ts";
import type { Oracle } from "../oracle.ts";
import type { Served } from "../seats.ts";
import { SimNetwork } from "../sockets.ts";
import type { World } from "../world.ts";
import type { MappedMachine } from "./machine.ts";

const RETRY_MS = 20;

export class Volume implements Served {
  readonly name: string;
  readonly oracle: Oracle;
  readonly clients: Clients;
  readonly shape = {};
  readonly network: SimNetwork;
  readonly service = null;
  watcher = null;
  readonly #machine: MappedMachine;
  readonly #sharesBuffers: boolean;
  #use: MappedUse | null = null;
  #syncs = new Set<Promise<void>>();
  #front: BlockDevice | null = null;
  /** Its user waits for what was asked. */
  isClosing = false;
  /** Nobody promises any more what it holds. */
  isLost = false;
  /** It may come to that: requests may fail, reads too. */
  breaks = false;

  constructor(machine: MappedMachine, name: string, oracle: Oracle, sharesBuffers = false) {
    this.#machine = machine;
    this.name = name;
    this.oracle = oracle;
    this.#sharesBuffers = sharesBuffers;
    this.network = new SimNetwork(machine.world);
    this.clients = new Clients(this, oracle);
  }

  get world(): World {
    return this.#machine.world;
  }

  get life(): number {
    return this.#machine.life;
  }

  get isRunning(): boolean {
    return this.#machine.isRunning;
  }

  get front(): BlockDevice | null {
    return this.#front;
  }

  get isOpen(): boolean {
    return this.#use !== null;
  }

  readonly mayFail = (): boolean => this.isLost || this.breaks;

  open(): void {
    const sync = this.#sharesBuffers ? () => this.#tracked(this.#sync()) : undefined;
    const options = { readOnly: false, ...(sync === undefined ? {} : { sync }) };
    this.#use = this.#machine.device(this.name).open(options);
    this.resume();
  }

  /** Clients go on. */
  resume(): void {
    if (this.#use !== null) this.#front = endingOnce(this.#use);
  }

  /** Clients wait; all that they were told is done is durable. */
  async settle(): Promise<void> {
    const { clients, oracle } = this;
    this.#front = null;
    await clients.whenAnswered();
    if (this.#use !== null) await flush(this.#use);
    oracle.settle();
  }

  #tracked(sync: Promise<void>): Promise<void> {
    const over = sync.finally(() => this.#syncs.delete(over));
    this.#syncs.add(over);
    return over;
  }

  /** What clients have changed under way is written again. */
  async #sync(): Promise<void> {
    while (this.#front !== null && !(await this.clients.writeAltered()))
      await this.#machine.pause(RETRY_MS);
  }

  /** Nobody uses it any more, from now on; resolves when what was asked has ended. */
  async close(): Promise<void> {
    const use = this.#use;
    this.#use = null;
    this.#front = null;
    this.isClosing = true;
    await use?.close();
    await Promise.allSettled(this.#syncs);
    this.isClosing = false;
    if (this.clients.writes > 0)
      this.#machine.wrong.push(`${this.name} is closed while ${this.clients.writes} are written`);
  }

  /** The process is dead. */
  crash(isPowerCut: boolean): void {
    this.isClosing = false;
    this.#syncs = new Set();
    this.#use = null;
    this.#front = null;
    this.clients.crash();
    this.oracle.crash(isPowerCut);
  }
}
