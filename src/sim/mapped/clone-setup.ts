/** A clone, of a device that has something in every sector: a region that counts as hydrated too early is seen. */
import { checkClone } from "../../dm/targets/clone/check.ts";
import type { Discarded } from "../clients.ts";
import { SimDisk } from "../disk.ts";
import type { Mutant } from "../mutant.ts";
import { Oracle } from "../oracle.ts";
import type { World } from "../world.ts";
import { MappedMachine } from "./machine.ts";
import { metadataProblems } from "./metadata-problems.ts";
import { Setup } from "./setup.ts";
import type { Administration, NamedTable } from "./setup.ts";
import type { CloneStack } from "./stack.ts";
import { Volume } from "./volume.ts";

const NAME = "v";
const METADATA_SECTORS = 256;

export class CloneSetup extends Setup {
  override readonly commitsLater = true;
  readonly #stack: CloneStack;
  readonly #original: Uint8Array;
  #hydrates: boolean;

  constructor(world: World, stack: CloneStack, mutant: Mutant | null) {
    const { sectors } = stack;
    const disks = [
      new SimDisk(world, "metadata", METADATA_SECTORS),
      new SimDisk(world, "destination", sectors),
      new SimDisk(world, "source", sectors),
    ];
    super(new MappedMachine(world, disks, mutant));
    this.#stack = stack;
    this.#hydrates = stack.hydrates;
    const oracle = new Oracle(sectors);
    const original = oracle.begin(0, sectors)!;
    oracle.acknowledge(original, true);
    oracle.settle();
    disks[2]!.put(0, original.data);
    this.#original = original.data;
    this.volumes.push(new Volume(this.machine, NAME, oracle));
  }

  tables(): readonly NamedTable[] {
    const { sectors, regionSectors, threshold, batch } = this.#stack;
    const features = this.#hydrates ? "0" : "1 no_hydration";
    const core = `4 hydration_threshold ${threshold} hydration_batch_size ${batch}`;
    const words = `/metadata /destination /source ${regionSectors} ${features} ${core}`;
    return [[NAME, `0 ${sectors} clone ${words}`]];
  }

  judge(): Promise<string[]> {
    return metadataProblems(this.machine.disks[0]!, "clone", checkClone);
  }

  /** Hydration begins, or pauses. */
  override async administer({ do: what }: Administration): Promise<void> {
    if (what !== "convert") return;
    this.#hydrates = !this.#hydrates;
    await this.#tell();
  }

  async #tell(): Promise<void> {
    const { mapped } = this.machine;
    const word = this.#hydrates ? "enable_hydration" : "disable_hydration";
    await mapped.message(this.machine.device(NAME), 0, [word]);
  }

  /** Whole regions that are not hydrated count as if they were, and hold whatever is there. */
  override discarded(_volume: Volume, sector: number, sectors: number): Discarded {
    const { regionSectors } = this.#stack;
    const from = Math.ceil(sector / regionSectors) * regionSectors;
    const to = Math.floor((sector + sectors) / regionSectors) * regionSectors;
    return { from, to: Math.max(from, to), becomes: "anything" };
  }

  async settle(): Promise<void> {
    const { world } = this.machine;
    this.#hydrates = true;
    await world.until("the message", this.#tell());
    await this.until("hydration", async () => {
      const words = await this.machine.status(NAME);
      const [done, all] = words[3]!.split("/");
      return done === all && words[4] === "0";
    });
  }

  atRest(): Promise<string[]> {
    const { disks } = this.machine;
    const { oracle } = this.volumes[0]!;
    const floors = oracle.floors(0, oracle.sectors, "durable");
    const copy = oracle.wrongIn(0, disks[1]!.image(), floors);
    const wrong = copy.map((text) => `of the destination ${text}`);
    if (Buffer.compare(disks[2]!.image(), this.#original) !== 0)
      wrong.push("the source has changed");
    return Promise.resolve(wrong);
  }
}
