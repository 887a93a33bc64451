/**
 * SimNetwork: who listens, who is connected to whom. Processes reach it through sockets of their own; with a process its listeners and its
 * connections die, and nothing arrives there any more.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import type { Connection, Listener, SocketAddress, Sockets } from "../env/sockets.ts";
import { SimConnection } from "./connection.ts";
import type { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

const CONNECT_US = [50, 500] as const;

interface Listening {
  readonly process: SimProcess;
  readonly accept: (connection: Connection) => void;
}

/** A connection with both its ends. */
export class Link {
  readonly client: SimConnection;
  readonly server: SimConnection;
  /** The way between them broke. */
  wasBroken = false;

  constructor(client: SimConnection, server: SimConnection) {
    this.client = client;
    this.server = server;
    SimConnection.pair(client, server);
  }

  break(): void {
    this.wasBroken = true;
    this.server.break();
  }
}

function nameOf(address: SocketAddress): string {
  return address.kind === "unix" ? address.path : `${address.host}:${address.port}`;
}

export class SimNetwork {
  readonly #world: World;
  readonly #prng: Prng;
  readonly #listening = new Map<string, Listening>();
  #links = 0;
  #ends: { readonly process: SimProcess; readonly end: SimConnection }[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#prng = world.prng("network");
  }

  /** Of a process: what it asks of the system. */
  socketsOf(process: SimProcess): Sockets {
    return {
      listen: (address, accept) => this.#listen(process, address, accept),
      connect: async (address) => (await this.connect(process, address)).client,
      checkTls: () =>
        Promise.reject(new HoldfastError("unsupported", "Simulated connections have no TLS.")),
    };
  }

  /** As Sockets.connect. */
  connect(process: SimProcess, address: SocketAddress): Promise<Link> {
    return new Promise((resolve, reject) => {
      this.#world.after(this.#prng.between(...CONNECT_US), () => {
        if (!process.isAlive) return;
        const name = nameOf(address);
        const listening = this.#listening.get(name);
        if (listening === undefined) {
          reject(new HoldfastError("not-found", `Nobody listens at ${name}.`));
          return;
        }
        const link = this.#link(process, listening.process, name);
        resolve(link);
        listening.accept(link.server);
      });
    });
  }

  #link(client: SimProcess, server: SimProcess, address: string): Link {
    this.#links += 1;
    const name = `client ${this.#links}`;
    const end = (process: SimProcess, peer: string): SimConnection => {
      const chance = this.#world.prng(`${name} to ${peer}`);
      const made = new SimConnection(this.#world, process, chance, peer);
      this.#ends.push({ process, end: made });
      return made;
    };
    return new Link(end(client, address), end(server, name));
  }

  #listen(
    process: SimProcess,
    address: SocketAddress,
    accept: (connection: Connection) => void,
  ): Promise<Listener> {
    const name = nameOf(address);
    if (this.#listening.has(name))
      return Promise.reject(new HoldfastError("busy", `Somebody listens at ${name} already.`));
    this.#listening.set(name, { process, accept });
    const close = (): Promise<void> => {
      if (this.#listening.get(name)?.process === process) this.#listening.delete(name);
      return Promise.resolve();
    };
    return Promise.resolve({ address, close });
  }

  /** To be called before it is killed: what the system has of its last words may still arrive. */
  died(process: SimProcess): void {
    for (const [name, listening] of this.#listening)
      if (listening.process === process) this.#listening.delete(name);
    const its = this.#ends.filter((one) => one.process === process && !one.end.isGone);
    this.#ends = this.#ends.filter(({ end }) => !end.isGone && !its.some((one) => one.end === end));
    for (const { end } of its) end.die();
  }
}
