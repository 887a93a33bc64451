/** An origin and a snapshot of it, both in use; the snapshot may be merged into its origin, and another one made. */
import { SECTOR_BYTES } from "../../base/units.ts";
import { SimDisk } from "../disk.ts";
import type { Mutant } from "../mutant.ts";
import { Oracle } from "../oracle.ts";
import type { World } from "../world.ts";
import { MappedMachine } from "./machine.ts";
import { Setup } from "./setup.ts";
import type { Administration, NamedTable } from "./setup.ts";
import type { SnapshotStack } from "./stack.ts";
import { Volume } from "./volume.ts";

const ORIGIN = "o";
const SNAPSHOT = "s";

export class SnapshotSetup extends Setup {
  override readonly alone = false;
  readonly #stack: SnapshotStack;
  #form: "snapshot" | "merging" | "none" = "none";
  /** Of the origin as its clients see it, also while it is merged. */
  #origin: Volume;
  #snapshot: Volume | null = null;

  constructor(world: World, stack: SnapshotStack, mutant: Mutant | null) {
    const disks = [
      new SimDisk(world, "origin", stack.sectors),
      new SimDisk(world, "cow", stack.cowSectors),
    ];
    super(new MappedMachine(world, disks, mutant));
    this.#stack = stack;
    this.#origin = new Volume(this.machine, ORIGIN, new Oracle(stack.sectors));
    this.volumes.push(this.#origin);
    this.#begin(this.#origin.oracle.fork());
  }

  #begin(oracle: Oracle): Volume {
    const volume = new Volume(this.machine, SNAPSHOT, oracle);
    volume.breaks = this.#stack.cowSectors < 2 * this.#stack.sectors;
    this.#form = "snapshot";
    this.#snapshot = volume;
    this.volumes.push(volume);
    return volume;
  }

  tables(): readonly NamedTable[] {
    const { sectors, chunkSectors, store } = this.#stack;
    const words = `/origin /cow ${store} ${chunkSectors}`;
    const origin: NamedTable = [ORIGIN, `0 ${sectors} snapshot-origin /origin`];
    switch (this.#form) {
      case "none":
        return [origin];
      case "snapshot":
        return [origin, [SNAPSHOT, `0 ${sectors} snapshot ${words}`]];
      case "merging":
        return [[ORIGIN, `0 ${sectors} snapshot-merge ${words}`]];
    }
  }

  judge(): Promise<string[]> {
    if (this.#form === "none") this.#wipe();
    return Promise.resolve([]);
  }

  /** The COW device of a snapshot that is no more. */
  #wipe(): void {
    this.machine.disks[1]!.put(0, new Uint8Array(this.#stack.cowSectors * SECTOR_BYTES));
  }

  /** While a snapshot is not there its origin overwrites what it should have. */
  override mayClose(volume: Volume): Promise<boolean> {
    return Promise.resolve(volume === this.#origin);
  }

  override async administer({ do: what }: Administration): Promise<void> {
    if (what === "merge" && this.#form === "snapshot") await this.#merge();
    else if (what === "snapshot" && this.#form === "none") await this.#take();
    else if (this.#form === "merging" && (await this.#isMerged())) await this.#endMerge();
  }

  async #isValid(): Promise<boolean> {
    return /^\d/.test((await this.machine.status(SNAPSHOT))[0]!);
  }

  /** From now on the origin is what the snapshot was, whatever of it has gone there yet. */
  async #merge(): Promise<void> {
    const { machine } = this;
    const snapshot = this.#snapshot!;
    if (!(await this.#isValid())) return;
    await snapshot.close();
    await this.#origin.close();
    if (!(await this.#isValid())) {
      this.#origin.open();
      snapshot.open();
      return;
    }
    const { sectors, chunkSectors, store } = this.#stack;
    const table = `0 ${sectors} snapshot-merge /origin /cow ${store} ${chunkSectors}`;
    await machine.load(ORIGIN, table);
    await machine.remove(SNAPSHOT);
    await machine.suspended(ORIGIN, "flush", false, () => {
      machine.world.say("the snapshot is being merged");
      this.#form = "merging";
      this.#replaceVolumes(snapshot.oracle);
      return Promise.resolve();
    });
    this.#origin.open();
  }

  #replaceVolumes(oracle: Oracle): void {
    this.dropped.push(...this.volumes.splice(0));
    this.#snapshot = null;
    this.#origin = new Volume(this.machine, ORIGIN, oracle);
    this.volumes.push(this.#origin);
  }

  /** Nothing is in the COW device but metadata. */
  async #isMerged(): Promise<boolean> {
    const [chunks, metadata] = await this.machine.status(ORIGIN);
    return chunks!.split("/")[0] === metadata;
  }

  async #endMerge(): Promise<void> {
    const { machine } = this;
    await machine.load(ORIGIN, `0 ${this.#stack.sectors} snapshot-origin /origin`);
    await machine.suspended(ORIGIN, "flush", false, () => {
      machine.world.say("the snapshot is merged");
      this.#form = "none";
      return Promise.resolve();
    });
    this.#wipe();
  }

  /** What nobody has flushed yet is flushed first: the snapshot holds what was answered. */
  async #take(): Promise<void> {
    const { machine } = this;
    await this.#origin.settle();
    machine.world.say("a snapshot is taken");
    const volume = this.#begin(this.#origin.oracle.fork());
    await machine.suspended(ORIGIN, "flush", false, () =>
      machine.make(SNAPSHOT, this.tables()[1]![1]),
    );
    volume.open();
    this.#origin.resume();
  }

  async settle(): Promise<void> {
    const { world } = this.machine;
    if (this.#form === "snapshot") {
      const snapshot = this.#snapshot!;
      snapshot.isLost = !(await world.until("status", this.#isValid()));
      if (snapshot.isLost && !snapshot.breaks) this.machine.wrong.push("the snapshot is invalid");
      return;
    }
    if (this.#form !== "merging") return;
    await this.until("the merge", () => this.#isMerged());
    await world.until("the end of the merge", this.#endMerge());
  }

  atRest(): Promise<string[]> {
    return Promise.resolve([]);
  }
}
