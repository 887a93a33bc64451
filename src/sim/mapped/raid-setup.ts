/** A raid of pairs of a metadata and a data disk, by md's engine. */
import { SimDisk } from "../disk.ts";
import type { Mutant } from "../mutant.ts";
import { Oracle } from "../oracle.ts";
import type { World } from "../world.ts";
import { MappedMachine } from "./machine.ts";
import { Setup } from "./setup.ts";
import type { NamedTable } from "./setup.ts";
import type { RaidStack } from "./stack.ts";
import { Volume } from "./volume.ts";

const NAME = "v";
const METADATA_SECTORS = 32;
const DATA_SECTORS = 512;
const REGION_SECTORS = 64;
const CHUNK_SECTORS = 16;

/** Data devices' worth of the volume. */
function dataDevices({ type, devices }: RaidStack): number {
  switch (type) {
    case "raid1":
      return 1;
    case "raid10":
      return devices / 2;
    case "raid5_ls":
      return devices - 1;
    case "raid6_zr":
      return devices - 2;
  }
}

interface RaidStatus {
  /** One character a device. */
  readonly health: string;
  readonly isSynced: boolean;
  readonly action: string;
  readonly mismatches: number;
}

export class RaidSetup extends Setup {
  readonly #stack: RaidStack;
  readonly #sectors: number;
  #wasWhole = false;

  constructor(world: World, stack: RaidStack, mutant: Mutant | null) {
    const disks = Array.from({ length: stack.devices }, (_unused, index) => [
      new SimDisk(world, `meta${index}`, METADATA_SECTORS),
      new SimDisk(world, `data${index}`, DATA_SECTORS),
    ]).flat();
    super(new MappedMachine(world, disks, mutant));
    this.#stack = stack;
    this.#sectors = DATA_SECTORS * dataDevices(stack);
    this.volumes.push(new Volume(this.machine, NAME, new Oracle(this.#sectors)));
  }

  tables(): readonly NamedTable[] {
    const { type, devices } = this.#stack;
    const chunk = type === "raid1" ? 0 : CHUNK_SECTORS;
    const places = Array.from(
      { length: devices },
      (_unused, index) => `/meta${index} /data${index}`,
    );
    const words = `${type} 3 ${chunk} region_size ${REGION_SECTORS} ${devices} ${places.join(" ")}`;
    return [[NAME, `0 ${this.#sectors} raid ${words}`]];
  }

  judge(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async #status(): Promise<RaidStatus> {
    const words = await this.machine.status(NAME);
    const [done, all] = words[3]!.split("/");
    return {
      health: words[2]!,
      isSynced: done === all,
      action: words[4]!,
      mismatches: Number(words[5]),
    };
  }

  async #isWhole(): Promise<boolean> {
    const { health, isSynced, action } = await this.#status();
    const isReached = !this.machine.disks.some((disk) => this.machine.isCutOff(disk));
    return isReached && /^A+$/.test(health) && isSynced && action === "idle";
  }

  override async look(): Promise<void> {
    this.#wasWhole = this.machine.changes === 0 && (await this.#isWhole());
  }

  /** Parity that lacks a device when the power fails may lose what nobody wrote. */
  override mayAil(): boolean {
    const { disks } = this.machine;
    const hasCopies = this.#stack.type === "raid1" || this.#stack.type === "raid10";
    return hasCopies && this.#wasWhole && disks.every(({ health }) => health === "well");
  }

  override mayClose(): Promise<boolean> {
    return Promise.resolve(this.machine.disks.every(({ health }) => health === "well"));
  }

  /** Devices that were lost are taken back when it is made anew. */
  async settle(): Promise<void> {
    const { world } = this.machine;
    await this.until("sync", async () => (await this.#status()).action === "idle");
    if (await world.until("status", this.#isWhole())) return;
    await world.until("making it anew", this.#remake());
    await this.until("sync", () => this.#isWhole());
  }

  async #remake(): Promise<void> {
    const { machine } = this;
    const volume = this.volumes[0]!;
    await volume.close();
    await machine.remove(NAME);
    await machine.make(NAME, this.tableOf(NAME));
    volume.open();
  }

  /** A check finds nothing. */
  async atRest(): Promise<string[]> {
    const { machine } = this;
    await machine.mapped.message(machine.device(NAME), 0, ["check"]);
    await this.#checked();
    const { mismatches } = await this.#status();
    return mismatches === 0 ? [] : [`a check found ${mismatches} sectors that differ`];
  }

  async #checked(): Promise<void> {
    for (let step = 0; step < 200; step += 1) {
      await this.machine.pause(100);
      if ((await this.#status()).action === "idle") return;
    }
  }
}
