/** Service: the NBD server in front of the array, and what it has asked of the array and not been answered. */
import { Bio } from "../block/bio.ts";
import type { BlockDevice } from "../block/device.ts";
import type { LogLevel } from "../env/env.ts";
import type { SocketAddress } from "../env/sockets.ts";
import type { NbdExport } from "../nbd/exports.ts";
import type { NbdLimits } from "../nbd/limits.ts";
import { startNbdServer } from "../nbd/server.ts";
import type { NbdEnv, NbdServer } from "../nbd/server.ts";
import type { Mutant } from "./mutant.ts";
import type { SimProcess } from "./process.ts";
import type { SimNetwork } from "./sockets.ts";
import { standIn } from "./stand-in.ts";
import type { World } from "./world.ts";

const NAME = "array";
export const NBD_ADDRESS: SocketAddress = { kind: "tcp", host: "array", port: 10809 };
export const NBD_URI = `nbd://array:10809/${NAME}`;

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
  readonly #exported: NbdExport;
  #server!: NbdServer;
  #endingUs = Infinity;

  private constructor(options: ServiceOptions) {
    this.#options = options;
    const watched = this.#watched(options.array);
    this.#exported = { name: NAME, device: options.mutant?.served?.(watched) ?? watched };
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
    service.#server = await startNbdServer(env, {
      listen: NBD_ADDRESS,
      exports: [service.#exported],
      limits: { ...randomLimits(world), ...mutant?.nbdLimits },
      arena: null,
    });
    return service;
  }

  /** It has waited for requests as long as it must. */
  get isImpatient(): boolean {
    return this.#options.world.nowUs - this.#endingUs >= STOP_TIMEOUT_MS * 1000;
  }

  /** @returns what is wrong with what is left then */
  async stop(): Promise<string[]> {
    this.#endingUs = this.#options.world.nowUs;
    await this.#server.stop();
    const { connections, heldBytes } = this.#server.stats;
    return this.#left({
      connections,
      "bytes of payload": heldBytes,
      requests: this.#underWay.size,
    });
  }

  /** The array is not offered any more, then it is again. @returns as `stop` does */
  async withdraw(): Promise<string[]> {
    this.#endingUs = this.#options.world.nowUs;
    await this.#server.removeExport(NAME);
    const wrong = this.#left({ requests: this.#underWay.size });
    // Who was cut off may not have heard of it yet.
    if (!this.isImpatient) this.#endingUs = Infinity;
    this.#server.addExport(this.#exported);
    return wrong;
  }

  #left(counts: Readonly<Record<string, number>>): string[] {
    if (this.isImpatient) return [];
    return Object.entries(counts).flatMap(([what, count]) =>
      count === 0 ? [] : [`the NBD server has ended its service, and ${count} ${what} are left`],
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
