/**
 * Logical volumes as lvm2's tests have LVM build them, made of dmsetup's words alone: physical volumes that fail, come back and are slow, and on
 * them the images, metadata images and logs of which a volume's table is made.
 */
import { expect } from "vitest";
import { Machine } from "./machine.ts";

/** A metadata image: superblock and bitmap. */
const META_SECTORS = 128;
/** Between two looks at a status line. */
const LOOK_MS = 50;
const LOOKS = 20_000;

export interface RaidWords {
  readonly type: string;
  readonly sectors: number;
  /** Behind the chunk size: "rebuild 1 region_size 64". */
  readonly words?: string;
  readonly chunkSectors?: number;
  /** By name; null: an image that is not there, "- -". */
  readonly images: readonly (string | null)[];
}

export class Volumes {
  readonly m: Machine;
  readonly #pvSectors: number;
  readonly #used = new Map<number, number>();

  private constructor(m: Machine, pvSectors: number) {
    this.m = m;
    this.#pvSectors = pvSectors;
  }

  /** Physical volumes pv1, pv2 and so on, on disks d1, d2. */
  static async make(count: number, pvSectors = 16_384): Promise<Volumes> {
    const numbers = Array.from({ length: count }, (_unused, index) => index + 1);
    const m = new Machine(Object.fromEntries(numbers.map((n) => [`d${n}`, pvSectors])));
    const volumes = new Volumes(m, pvSectors);
    for (const n of numbers) await m.create(`pv${n}`, volumes.#pvTable(n));
    return volumes;
  }

  #pvTable(n: number): string {
    return `0 ${this.#pvSectors} linear /disks/d${n} 0`;
  }

  /** They answer with errors from now on, as `aux disable_dev` and `aux error_dev` make them. */
  async disable(...pvs: readonly number[]): Promise<void> {
    for (const n of pvs) await this.m.reload(`pv${n}`, `0 ${this.#pvSectors} error`);
  }

  async enable(...pvs: readonly number[]): Promise<void> {
    for (const n of pvs) await this.m.reload(`pv${n}`, this.#pvTable(n));
  }

  /** Data that are written to these stand still until what is returned is called: whoever fills them does not come to an end. */
  stall(...pvs: readonly number[]): () => void {
    const disks = pvs.map((n) => this.m.disk(`d${n}`));
    for (const disk of disks)
      disk.hold(({ op, sector }) => op === "write" && sector >= META_SECTORS);
    return () => {
      for (const disk of disks) disk.release();
    };
  }

  /** A volume of its own on a physical one: an image, a log, something linear. */
  async part(name: string, pv: number, sectors: number): Promise<void> {
    const start = this.#used.get(pv) ?? 0;
    this.#used.set(pv, start + sectors);
    await this.m.create(name, `0 ${sectors} linear pv${pv} ${start}`);
  }

  /** NAME_rmeta, which is empty, and NAME_rimage. */
  async image(name: string, pv: number, sectors: number): Promise<void> {
    await this.part(`${name}_rmeta`, pv, META_SECTORS);
    await this.m.fill(`${name}_rmeta`, 0);
    await this.part(`${name}_rimage`, pv, sectors);
  }

  /** Images r1, r2 and so on, each on the physical volume of its number. */
  async images(count: number, sectors: number): Promise<string[]> {
    const names = Array.from({ length: count }, (_unused, index) => `r${index + 1}`);
    for (const [index, name] of names.entries()) await this.image(name, index + 1, sectors);
    return names;
  }

  /** An image in the place of one that is lost. */
  async replace(
    name: string,
    words: RaidWords,
    places: Readonly<Record<number, string>>,
  ): Promise<void> {
    const images = words.images.map((image, index) => places[index] ?? image);
    const rebuild = Object.keys(places).map((index) => `rebuild ${index}`);
    const more = words.words === undefined ? [] : [words.words];
    await this.m.reload(
      name,
      raidTable({ ...words, words: [...rebuild, ...more].join(" "), images }),
    );
  }

  async raid(name: string, words: RaidWords): Promise<void> {
    await this.m.create(name, raidTable(words));
  }

  async health(name: string): Promise<string> {
    return (await this.m.status(name)).split(" ")[2]!;
  }

  async mismatches(name: string): Promise<number> {
    return Number((await this.m.status(name)).split(" ")[5]);
  }

  /** As `aux wait_for_sync` waits. */
  async synced(name: string): Promise<void> {
    for (let look = 0; look < LOOKS; look += 1) {
      if (isInSync(await this.m.status(name))) return;
      await this.m.pass(LOOK_MS);
    }
    expect(await this.m.status(name)).toBe("in sync");
  }
}

/** Of a raid also: nothing is under way. */
function isInSync(status: string): boolean {
  return status.startsWith("raid") ? /(\d+)\/\1 idle/.test(status) : / (\d+)\/\1 /.test(status);
}

export function raidTable({ type, sectors, words = "", chunkSectors, images }: RaidWords): string {
  const chunk = chunkSectors ?? (type === "raid1" ? 0 : 16);
  const parameters = words === "" ? [] : words.split(" ");
  const pairs = images.map((name) => (name === null ? "- -" : `${name}_rmeta ${name}_rimage`));
  return [
    `0 ${sectors} raid ${type} ${parameters.length + 1} ${chunk}`,
    ...parameters,
    images.length,
    ...pairs,
  ].join(" ");
}
