/** A machine with a thin pool over the disks "meta" and "data", called "pool". */
import { expect } from "vitest";
import type { BlockDevice } from "../../../src/block/device.ts";
import { checkPool } from "../../../src/dm/thin/check.ts";
import { dumpPool } from "../../../src/dm/thin/dump.ts";
import { PoolBuilder } from "../../../src/dm/thin/restore.ts";
import { XmlWriter, readXml } from "../../../src/dm/thin/xml.ts";
import { Machine } from "./machine.ts";

/** Of 64 KiB. */
export const BLOCK = 128;
const METADATA_BLOCK_SECTORS = 8;

export interface PoolOptions {
  readonly dataBlocks?: number;
  /** Of 4 KiB. */
  readonly metadataBlocks?: number;
  readonly blockSectors?: number;
  readonly lowWater?: number;
  /** "error_if_no_space skip_block_zeroing" */
  readonly features?: string;
  /** What the table names. */
  readonly metadata?: string;
  readonly data?: string;
}

/** The words of a pool's status line. */
export interface PoolStatus {
  readonly transactionId: number;
  readonly metadataUsed: number;
  readonly metadataBlocks: number;
  readonly dataUsed: number;
  readonly dataBlocks: number;
  /** "-" */
  readonly held: string;
  readonly mode: string;
  readonly discards: string;
  readonly noSpace: string;
  readonly needsCheck: string;
  readonly threshold: number;
}

export class ThinMachine extends Machine {
  readonly blockSectors: number;
  readonly #options: PoolOptions;

  constructor(
    options: PoolOptions = {},
    disks: Readonly<Record<string, number | BlockDevice>> = {},
  ) {
    const { dataBlocks = 1024, metadataBlocks = 2048, blockSectors = BLOCK } = options;
    super({
      meta: metadataBlocks * METADATA_BLOCK_SECTORS,
      data: dataBlocks * blockSectors,
      ...disks,
    });
    this.blockSectors = blockSectors;
    this.#options = options;
  }

  /** With a pool that is live. */
  static async make(
    options: PoolOptions = {},
    disks: Readonly<Record<string, number | BlockDevice>> = {},
  ): Promise<ThinMachine> {
    const machine = new ThinMachine(options, disks);
    await machine.createPool();
    return machine;
  }

  poolTable(changes: PoolOptions = {}): string {
    const {
      dataBlocks = 1024,
      blockSectors = BLOCK,
      lowWater = 0,
      features = "",
      metadata = "/disks/meta",
      data = "/disks/data",
    } = { ...this.#options, ...changes };
    const words = features.split(" ").filter((word) => word !== "");
    const group = [words.length, ...words].join(" ");
    return `0 ${dataBlocks * blockSectors} thin-pool ${metadata} ${data} ${blockSectors} ${lowWater} ${group}`;
  }

  createPool(changes: PoolOptions = {}): Promise<void> {
    return this.create("pool", this.poolTable(changes));
  }

  /** Another table for the pool. */
  changePool(changes: PoolOptions): Promise<void> {
    return this.reload("pool", this.poolTable(changes));
  }

  thin(name: string, id: number, blocks = 64, origin = ""): Promise<void> {
    return this.create(
      name,
      `0 ${blocks * this.blockSectors} thin /dev/mapper/pool ${id} ${origin}`,
    );
  }

  /** A new device with a mapped device for it. */
  async newThin(name: string, id: number, blocks = 64, origin = ""): Promise<void> {
    await this.message("pool", `create_thin ${id}`);
    await this.thin(name, id, blocks, origin);
  }

  /** A snapshot of a device that may be in use, as administrators take it. */
  async snapshot(name: string, id: number, origin: string, originId: number): Promise<void> {
    await this.suspended(origin, () => this.message("pool", `create_snap ${id} ${originId}`));
    await this.create(name, `0 ${this.volume(origin).sectors} thin /dev/mapper/pool ${id}`);
  }

  async poolStatus(name = "pool", how = ""): Promise<PoolStatus> {
    const line = await this.ok(`status ${name} ${how}`);
    const words = line.split(" ").slice(3);
    expect(words).toHaveLength(9);
    const [transaction, metadata = "", data = "", held = "", mode = "", ...more] = words;
    const [metadataUsed, metadataBlocks] = metadata.split("/").map(Number);
    const [dataUsed, dataBlocks] = data.split("/").map(Number);
    const [discards = "", noSpace = "", needsCheck = "", threshold] = more;
    return {
      transactionId: Number(transaction),
      metadataUsed: metadataUsed!,
      metadataBlocks: metadataBlocks!,
      dataUsed: dataUsed!,
      dataBlocks: dataBlocks!,
      held,
      mode,
      discards,
      noSpace,
      needsCheck,
      threshold: Number(threshold),
    };
  }

  /** What thin_check finds wrong on a disk. @returns lines; and whether the mark is there */
  async check(
    disk = "meta",
  ): Promise<{ readonly problems: string[]; readonly needsCheck: boolean }> {
    const problems: string[] = [];
    const { needsCheck } = await this.do(
      checkPool(this.volume(disk), (line) => {
        if (line.kind === "problem") problems.push(line.text.trim());
      }),
    );
    return { problems, needsCheck };
  }

  /** Everything of it goes, and what is left on the disk is sound. @param names those on top first */
  async sound(...names: readonly string[]): Promise<void> {
    await this.remove(...names, "pool");
    expect(await this.check()).toEqual({ problems: [], needsCheck: false });
  }

  /** As thin_dump prints it. */
  async dump(disk = "meta"): Promise<string[]> {
    const lines: string[] = [];
    const writer = new XmlWriter((line) => Promise.resolve(void lines.push(line)));
    await this.do(dumpPool(this.volume(disk), writer));
    return lines.map((line) => line.trim());
  }

  /** As thin_restore does it. */
  restore(xml: string, disk = "meta"): Promise<void> {
    return this.do(readXml(xml, new PoolBuilder(this.volume(disk))));
  }

  /** As thin_repair does it. @returns what is lost */
  async repair(from: string, to: string): Promise<string[]> {
    const lost: string[] = [];
    const output = new PoolBuilder(this.volume(to));
    await this.do(dumpPool(this.volume(from), output, { lost: (what) => lost.push(what) }));
    return lost;
  }
}
