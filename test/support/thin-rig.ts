/** A pool over two disks in memory, and thin devices in it. Blocks have 128 sectors. */
import { expect } from "vitest";
import type { BlockDevice } from "../../src/block/device.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { checkPool } from "../../src/dm/thin/check.ts";
import type { MappedDevice } from "../../src/dm/mapped-device.ts";
import { DmWorld } from "./dm-world.ts";

export const BLOCK = 128;

export interface ThinUse {
  readonly device: MappedDevice;
  readonly use: BlockDevice;
}

export interface ThinRigOptions {
  readonly dataBlocks?: number;
  readonly metadataBlocks?: number;
  readonly lowWater?: number;
  readonly blockSectors?: number;
  /** What is on the disks to begin with. */
  readonly images?: { readonly meta: Uint8Array; readonly data: Uint8Array };
  /** "1 skip_block_zeroing" */
  readonly features?: string;
  /** Further disks, in sectors. */
  readonly disks?: Readonly<Record<string, number>>;
}

export class ThinRig {
  readonly world: DmWorld;
  readonly pool: MappedDevice;
  readonly dataBlocks: number;
  readonly #block: number;
  readonly #options: ThinRigOptions;

  private constructor(world: DmWorld, pool: MappedDevice, options: ThinRigOptions) {
    this.world = world;
    this.pool = pool;
    this.dataBlocks = options.dataBlocks ?? 64;
    this.#block = options.blockSectors ?? BLOCK;
    this.#options = options;
  }

  static async make(options: ThinRigOptions = {}): Promise<ThinRig> {
    const { dataBlocks = 64, metadataBlocks = 128, blockSectors = BLOCK, images } = options;
    const world = new DmWorld({
      meta: metadataBlocks * 8,
      data: Math.max(dataBlocks, 64) * blockSectors,
      ...options.disks,
    });
    for (const name of ["meta", "data"] as const)
      if (images !== undefined) await writeSectors(world.disk(name), 0, images[name]);
    const rig = new ThinRig(world, world.create("pool"), options);
    await rig.reload();
    return rig;
  }

  /** The pool's table anew, perhaps with more blocks or other features. */
  async reload(
    dataBlocks = this.dataBlocks,
    features = this.#options.features ?? "",
    metadata = "./meta",
  ): Promise<void> {
    const low = this.#options.lowWater ?? 0;
    const table = `0 ${dataBlocks * this.#block} thin-pool ${metadata} ./data ${this.#block} ${low} ${features}`;
    await this.world.load(this.pool, table);
    await this.world.all.resume(this.pool);
  }

  message(words: string): Promise<string | null> {
    return this.world.all.message(this.pool, 0, words.split(" "));
  }

  thin(name: string, id: number, blocks = 32, origin = ""): Promise<ThinUse> {
    return this.world.make(name, `0 ${blocks * this.#block} thin pool ${id} ${origin}`);
  }

  /** A new thin device, open. */
  async newThin(name: string, id: number, blocks = 32, origin = ""): Promise<ThinUse> {
    await this.message(`create_thin ${id}`);
    return this.thin(name, id, blocks, origin);
  }

  /** A snapshot of a device that is open, as administrators take it. */
  async snapshot(origin: ThinUse, originId: number, name: string, id: number): Promise<ThinUse> {
    await this.world.all.suspend(origin.device, "flush", true);
    await this.message(`create_snap ${id} ${originId}`);
    await this.world.all.resume(origin.device);
    return this.thin(name, id, origin.use.sectors / this.#block);
  }

  async status(device = this.pool): Promise<string> {
    const [line = ""] = (await device.live?.status(true)) ?? [];
    return line.split(" ").slice(3).join(" ").trimEnd();
  }

  /** What is wrong with the metadata as it is on the disk. */
  async problems(): Promise<string[]> {
    const lines: string[] = [];
    await checkPool(this.world.disk("meta"), (line) => {
      if (line.kind === "problem") lines.push(line.text);
    });
    return lines;
  }
}

export function filled(sectors: number, byte: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(byte);
}

export function fill(
  use: BlockDevice,
  sector: number,
  sectors: number,
  byte: number,
): Promise<void> {
  return writeSectors(use, sector, filled(sectors, byte));
}

/** The content as runs of equal bytes: "128x7 128x0". */
export async function runsOf(use: BlockDevice, sector: number, sectors: number): Promise<string> {
  const data = await readSectors(use, sector, sectors);
  const runs: string[] = [];
  for (let at = 0; at < sectors;) {
    const byte = data[at * 512]!;
    let end = at;
    while (end < sectors && data[end * 512] === byte) end += 1;
    expect(data.subarray(at * 512, end * 512).every((each) => each === byte)).toBe(true);
    runs.push(`${end - at}x${byte}`);
    at = end;
  }
  return runs.join(" ");
}

/** All that can happen without a timer or a disk that holds something has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
