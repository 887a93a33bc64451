/** An origin and its snapshots as LVM builds them: LV is a snapshot-origin on LV-real, and each snapshot has a COW volume of its own. */
import { Volumes } from "./volumes.ts";
import type { Machine } from "./machine.ts";

export interface SnapshotsOptions {
  readonly originSectors: number;
  readonly pvSectors?: number;
  /** Physical volumes beside that of the origin. */
  readonly pvs?: number;
}

/** Of a snapshot's status line. */
export interface Usage {
  readonly usedSectors: number;
  readonly totalSectors: number;
  readonly metadataSectors: number;
}

export class Snapshots {
  readonly v: Volumes;
  readonly m: Machine;
  readonly originSectors: number;

  private constructor(v: Volumes, originSectors: number) {
    this.v = v;
    this.m = v.m;
    this.originSectors = originSectors;
  }

  /** The origin lies on physical volume 1. */
  static async make({
    originSectors,
    pvSectors = 16_384,
    pvs = 2,
  }: SnapshotsOptions): Promise<Snapshots> {
    const at = new Snapshots(await Volumes.make(pvs, pvSectors), originSectors);
    await at.v.part("lv-real", 1, originSectors);
    await at.m.create("lv", at.originTable());
    return at;
  }

  /** On a volume that is there already. */
  static async on(v: Volumes, real: string): Promise<Snapshots> {
    const at = new Snapshots(v, v.m.volume(real).sectors);
    await v.m.ok(`rename ${real} lv-real`);
    await v.m.create("lv", at.originTable());
    return at;
  }

  originTable(): string {
    return `0 ${this.originSectors} snapshot-origin lv-real`;
  }

  linearTable(): string {
    return `0 ${this.originSectors} linear lv-real 0`;
  }

  table(name: string, chunkSectors: number, store = "P", type = "snapshot"): string {
    return `0 ${this.originSectors} ${type} lv-real ${name}-cow ${store} ${chunkSectors}`;
  }

  /** The origin is suspended while its snapshot is made. */
  async add(
    name: string,
    cowSectors: number,
    chunkSectors = 8,
    store = "P",
    pv = 2,
  ): Promise<void> {
    await this.v.part(`${name}-cow`, pv, cowSectors);
    await this.m.fill(`${name}-cow`, 0);
    await this.m.suspended("lv", () => this.m.create(name, this.table(name, chunkSectors, store)));
  }

  async remove(name: string): Promise<void> {
    await this.m.suspended("lv", () => this.m.remove(name));
    await this.m.remove(`${name}-cow`);
  }

  /** `vgchange -an`, `-ay`. */
  async reactivate(names: Readonly<Record<string, number>>): Promise<void> {
    await this.m.remove(...Object.keys(names), "lv");
    await this.m.create("lv", this.originTable());
    for (const [name, chunkSectors] of Object.entries(names))
      await this.m.create(name, this.table(name, chunkSectors));
  }

  async usage(name: string): Promise<Usage> {
    const status = await this.m.status(name);
    const found = /^(\d+)\/(\d+) (\d+)$/.exec(status);
    if (found === null) throw new Error(`the status of ${name} is ${status}`);
    const [usedSectors, totalSectors, metadataSectors] = found.slice(1).map(Number);
    return {
      usedSectors: usedSectors!,
      totalSectors: totalSectors!,
      metadataSectors: metadataSectors!,
    };
  }

  /** As LVM shows it: `data_percent`. */
  async percent(name: string): Promise<string> {
    const { usedSectors, totalSectors, metadataSectors } = await this.usage(name);
    if (usedSectors === metadataSectors) return "0.00";
    return ((100 * usedSectors) / totalSectors).toFixed(2);
  }

  /** It takes over the place of the origin until nothing is left to be merged; then the origin stands alone. */
  async merge(name: string, chunkSectors = 8): Promise<void> {
    await this.beginMerge(name, chunkSectors);
    await this.merged("lv");
    await this.m.reload("lv", this.linearTable());
    await this.m.remove(`${name}-cow`);
  }

  async beginMerge(name: string, chunkSectors = 8): Promise<void> {
    await this.m.ok("suspend lv");
    await this.m.remove(name);
    await this.m.ok(`load lv --table "${this.table(name, chunkSectors, "P", "snapshot-merge")}"`);
    await this.m.ok("resume lv");
  }

  /** Nothing but metadata is left in the COW volume. */
  async merged(name: string): Promise<void> {
    for (let look = 0; look < 10_000; look += 1) {
      const { usedSectors, metadataSectors } = await this.usage(name);
      if (usedSectors === metadataSectors) return;
      await this.m.pass(10);
    }
    throw new Error(`${name} is not merged`);
  }
}
