/** A pool, thin volumes in it, and snapshots of these; it has few blocks at first. Each volume and snapshot has an oracle: what one holds no other may see. */
import { checkPool } from "../../dm/thin/check.ts";
import { isRefusal } from "../../dm/thin/metadata.ts";
import type { Discarded } from "../clients.ts";
import { SimDisk } from "../disk.ts";
import type { Mutant } from "../mutant.ts";
import { Oracle } from "../oracle.ts";
import type { World } from "../world.ts";
import { MappedMachine } from "./machine.ts";
import { metadataProblems } from "./metadata-problems.ts";
import { Setup } from "./setup.ts";
import type { Administration, NamedTable } from "./setup.ts";
import type { ThinStack } from "./stack.ts";
import { Volume } from "./volume.ts";

const POOL = "pool";
const METADATA_SECTORS = 1024;
const BLOCK_SECTORS = 128;
const MOST_VOLUMES = 4;

export class ThinSetup extends Setup {
  override readonly commitsLater = true;
  readonly #stack: ThinStack;
  /** Their numbers in the pool. */
  readonly #ids = new Map<Volume, number>();
  /** Created in the pool. */
  readonly #isMade = new Set<number>();
  #nextId = 0;
  #blocks: number;
  readonly #mostBlocks: number;

  constructor(world: World, stack: ThinStack, mutant: Mutant | null) {
    const mostBlocks = MOST_VOLUMES * Math.ceil(stack.sectors / BLOCK_SECTORS) + 2;
    const disks = [
      new SimDisk(world, "metadata", METADATA_SECTORS),
      new SimDisk(world, "data", mostBlocks * BLOCK_SECTORS),
    ];
    super(new MappedMachine(world, disks, mutant));
    this.#stack = stack;
    this.#blocks = Math.min(stack.dataBlocks, mostBlocks);
    this.#mostBlocks = mostBlocks;
    const versions = { newest: 0 };
    for (let volume = 0; volume < stack.volumes; volume += 1)
      this.#add(new Oracle(stack.sectors, versions));
  }

  #add(oracle: Oracle, id = this.#newId()): Volume {
    const volume = new Volume(this.machine, `v${id}`, oracle);
    this.#ids.set(volume, id);
    this.volumes.push(volume);
    return volume;
  }

  #newId(): number {
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  tables(): readonly NamedTable[] {
    const thins = this.volumes.map((volume): NamedTable => [volume.name, this.#thinTable(volume)]);
    return [[POOL, this.#poolTable()], ...thins];
  }

  #poolTable(): string {
    const features = this.#stack.failsWithoutSpace ? "1 error_if_no_space" : "0";
    const sectors = this.#blocks * BLOCK_SECTORS;
    return `0 ${sectors} thin-pool /metadata /data ${BLOCK_SECTORS} 1 ${features}`;
  }

  #thinTable(volume: Volume): string {
    return `0 ${this.#stack.sectors} thin ${POOL} ${this.#ids.get(volume)}`;
  }

  /** A crash may have come between what is wanted and what the pool was told: volumes are missing, or are there and nobody's. */
  override async prepare(): Promise<void> {
    const wanted = new Set(this.#ids.values());
    for (let id = 0; id < this.#nextId; id += 1) {
      if (!wanted.has(id)) await this.#tell("delete", id);
      else if (!this.#isMade.has(id)) await this.#tell("create_thin", id);
      this.#isMade.add(id);
    }
  }

  /** It may be so already. */
  async #tell(word: "delete" | "create_thin", id: number): Promise<void> {
    const { machine } = this;
    try {
      await machine.mapped.message(machine.device(POOL), 0, [word, String(id)]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }

  judge(): Promise<string[]> {
    return metadataProblems(this.machine.disks[0]!, "pool", checkPool);
  }

  override discarded(_volume: Volume, sector: number, sectors: number): Discarded {
    const from = Math.ceil(sector / BLOCK_SECTORS) * BLOCK_SECTORS;
    const to = Math.floor((sector + sectors) / BLOCK_SECTORS) * BLOCK_SECTORS;
    return { from, to: Math.max(from, to), becomes: "zeros" };
  }

  override async administer(action: Administration): Promise<void> {
    const { volumes } = this;
    switch (action.do) {
      case "repair":
        return this.#extend(Math.min(this.#mostBlocks, this.#blocks + 4));
      case "snapshot":
        if (volumes.length < MOST_VOLUMES)
          await this.#snapshot(volumes[action.volume % volumes.length]!);
        return;
      case "drop":
        if (volumes.length > 1) await this.#drop(volumes[action.volume % volumes.length]!);
        return;
      case "convert":
      case "merge":
    }
  }

  async #extend(blocks: number): Promise<void> {
    const { machine } = this;
    this.#blocks = blocks;
    await machine.load(POOL, this.#poolTable());
    await machine.suspended(POOL, "flush", true, () => Promise.resolve());
  }

  /** What was answered before is in it, and durable when the pool has answered. */
  async #snapshot(origin: Volume): Promise<void> {
    const { machine } = this;
    const id = this.#newId();
    let oracle: Oracle | null = null;
    await machine.suspended(origin.name, "flush", false, async () => {
      oracle = origin.oracle.fork();
      const words = ["create_snap", String(id), String(this.#ids.get(origin))];
      await machine.mapped.message(machine.device(POOL), 0, words);
    });
    if (oracle === null) return;
    machine.world.say(`v${id} is a snapshot of ${origin.name}`);
    this.#isMade.add(id);
    const volume = this.#add(oracle, id);
    await machine.make(volume.name, this.#thinTable(volume));
    volume.open();
  }

  async #drop(volume: Volume): Promise<void> {
    const { machine, volumes } = this;
    const id = this.#ids.get(volume)!;
    volumes.splice(volumes.indexOf(volume), 1);
    this.#ids.delete(volume);
    this.dropped.push(volume);
    await volume.close();
    await machine.remove(volume.name);
    await machine.mapped.message(machine.device(POOL), 0, ["delete", String(id)]);
    machine.world.say(`${volume.name} is deleted`);
  }

  /** Writes that wait for space get it. */
  override async release(): Promise<void> {
    const { world } = this.machine;
    this.machine.change(() => this.#extend(this.#mostBlocks));
    await world.until("what administrators asked for", Promise.all(this.machine.errands));
  }

  async settle(): Promise<void> {
    const status = await this.machine.world.until("status", this.machine.status(POOL));
    if (status[4] === "rw") return;
    this.machine.wrong.push(`the pool is ${status.join(" ")}`);
  }

  atRest(): Promise<string[]> {
    return Promise.resolve([]);
  }
}
