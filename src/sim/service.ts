/** Service: the NBD server in front of the array, and what it has asked of the array and not been answered. */
import { Bio } from "../block/bio.ts";
import type { BlockDevice } from "../block/device.ts";
import type { LogLevel } from "../env/env.ts";
import type { SocketAddress } from "../env/sockets.ts";
import type { NbdLimits } from "../nbd/limits.ts";
import { startNbdServer } from "../nbd/server.ts";
import type { NbdEnv, NbdServer } from "../nbd/server.ts";
import type { Mutant } from "./mutant.ts";
import type { SimProcess } from "./process.ts";
import type { SimNetwork } from "./sockets.ts";
import { standIn } from "./stand-in.ts";
import type { World } from "./world.ts";

export const NBD_ADDRESS: SocketAddress = { kind: "tcp", host: "array", port: 10809 };
export const NBD_URI = "nbd://array:10809/array";

const STOP_TIMEOUT_MS = 30_000;
const KIB = 1024;

/** Who wants to know what becomes of writes. */
export interface ServiceWatcher {
  /** The array has been asked to write there. */
  arrived(sector: number, sectors: number): void;
  /** The array has given back what it was lent. */
  ended(): void;
}

export interface ServiceOptions {
  readonly world: World;
  readonly network: SimNetwork;
  readonly process: SimProcess;
  readonly array: BlockDevice;
  readonly mutant: Mutant | null;
  /** Of the moment: whoever comes later is told as well. */
  readonly watcher: () => ServiceWatcher | null;
}

export class Service {
  readonly #options: ServiceOptions;
  readonly #underWay = new Set<Bio>();
  #server!: Pick<NbdServer, "stop" | "stats">;
  #stoppingUs = Infinity;

  private constructor(options: ServiceOptions) {
    this.#options = options;
  }

  static async start(options: ServiceOptions): Promise<Service> {
    const { world, network, process, mutant } = options;
    const service = new Service(options);
    const sockets = network.socketsOf(process);
    const env: NbdEnv = {
      clock: process,
      timers: process,
      log: { write: (level, text) => service.#log(level, text) },
      sockets: {
        ...sockets,
        listen: (address, accept) =>
          sockets.listen(address, (one) => accept(mutant?.accepted?.(one) ?? one)),
      },
    };
    const watched = service.#watched(options.array);
    const server = await startNbdServer(env, {
      listen: NBD_ADDRESS,
      exports: [{ name: "array", device: mutant?.served?.(watched) ?? watched }],
      limits: { ...randomLimits(world), ...mutant?.nbdLimits },
      arena: null,
    });
    service.#server = server;
    return service;
  }

  /** It has waited for requests as long as it must. */
  get isImpatient(): boolean {
    return this.#options.world.nowUs - this.#stoppingUs >= STOP_TIMEOUT_MS * 1000;
  }

  stop(): Promise<void> {
    this.#stoppingUs = this.#options.world.nowUs;
    return this.#server.stop();
  }

  /** What is wrong with a server that was stopped. */
  leftovers(): string[] {
    const { connections, heldBytes } = this.#server.stats;
    const left = { connections, "bytes of payload": heldBytes, requests: this.#underWay.size };
    return Object.entries(left).flatMap(([what, count]) =>
      count === 0 ? [] : [`the NBD server was stopped, and ${count} ${what} are left`],
    );
  }

  /** The array is writing there. */
  isWriting(sector: number, sectors: number): boolean {
    for (const bio of this.#underWay)
      if (bio.op !== "read" && bio.sector < sector + sectors && sector < bio.sector + bio.sectors)
        return true;
    return false;
  }

  #watched(array: BlockDevice): BlockDevice {
    return standIn(array, {
      submit: (bio) => {
        const { op, sector, sectors, data, flags, end } = bio;
        const watcher = this.#options.watcher();
        this.#underWay.add(bio);
        if (op !== "read" && op !== "flush") watcher?.arrived(sector, sectors);
        array.submit(
          new Bio(op, sector, sectors, data, flags, (error) => {
            this.#underWay.delete(bio);
            end(error);
            watcher?.ended();
          }),
        );
      },
    });
  }

  #log(_level: LogLevel, text: string): void {
    this.#options.world.say(text);
  }
}

/** Small ones often: clients wait for each other. */
function randomLimits(world: World): Partial<NbdLimits> {
  const prng = world.prng(`nbd ${world.nowUs}`);
  return {
    maxRequestsPerConnection: prng.pick([1, 4, 128]),
    maxPayloadBytes: 64 * KIB,
    maxHeldBytes: prng.pick([64 * KIB, 1024 * KIB]),
    maxHeldBytesPerConnection: prng.pick([64 * KIB, 1024 * KIB]),
    reserveBytesPerConnection: prng.pick([0, 4 * KIB, 64 * KIB]),
    stopTimeoutMs: STOP_TIMEOUT_MS,
  };
}
