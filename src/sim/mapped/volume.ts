/** Volume: a mapped device that clients use, and what it may hold. */
import type { BlockDevice } from "../../block/device.ts";
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
  #front: BlockDevice | null = null;
  /** What it was made for is over: requests may fail, reads too. */
  isLost = false;

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

  readonly mayFail = (): boolean => this.isLost;

  open(): void {
    const sync = this.#sharesBuffers ? () => this.#sync() : undefined;
    const options = { readOnly: false, ...(sync === undefined ? {} : { sync }) };
    this.#use = this.#machine.device(this.name).open(options);
    this.#front = endingOnce(this.#use);
  }

  /** What clients have changed under way is written again. */
  async #sync(): Promise<void> {
    while (!(await this.clients.writeAltered())) await this.#machine.pause(RETRY_MS);
  }

  /** Nobody uses it any more, from now on; resolves when what was asked has ended. */
  async close(): Promise<void> {
    const use = this.#use;
    this.#use = null;
    this.#front = null;
    await use?.close();
    if (this.clients.writes > 0)
      this.#machine.wrong.push(`${this.name} is closed while ${this.clients.writes} are written`);
  }

  /** The process is dead. */
  crash(isPowerCut: boolean): void {
    this.#use = null;
    this.#front = null;
    this.clients.crash();
    this.oracle.crash(isPowerCut);
  }
}
