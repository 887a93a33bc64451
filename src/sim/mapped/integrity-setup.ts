/** A device with tags. After each crash all of it is read: nothing may be refused because of its tag. */
import { readAll } from "../checks.ts";
import { SimDisk } from "../disk.ts";
import type { Mutant } from "../mutant.ts";
import { Oracle } from "../oracle.ts";
import type { World } from "../world.ts";
import { MappedMachine } from "./machine.ts";
import { Setup } from "./setup.ts";
import type { Administration, NamedTable } from "./setup.ts";
import type { IntegrityMode, IntegrityStack } from "./stack.ts";
import { Volume } from "./volume.ts";

const NAME = "v";
/** Room for the journal, and for tags. */
const MORE_SECTORS = 1600;

export class IntegritySetup extends Setup {
  override readonly commitsLater = true;
  readonly #stack: IntegrityStack;
  /** Of the next table. */
  #mode: IntegrityMode;
  /** All was read when it began; before the first there is nothing to be read. */
  #readInLife = 1;

  constructor(world: World, stack: IntegrityStack, mutant: Mutant | null) {
    const { sectors, hasMetaDevice } = stack;
    const disks = hasMetaDevice
      ? [new SimDisk(world, "data", sectors), new SimDisk(world, "meta", MORE_SECTORS)]
      : [new SimDisk(world, "data", sectors + MORE_SECTORS)];
    super(new MappedMachine(world, disks, mutant));
    this.#stack = stack;
    this.#mode = stack.mode;
    this.volumes.push(new Volume(this.machine, NAME, new Oracle(sectors)));
  }

  tables(): readonly NamedTable[] {
    const { sectors } = this.#stack;
    const options = [...this.#format(), ...this.#modeOptions(), ...this.#recalculation()];
    const words = `/data 0 - ${this.#mode} ${options.length} ${options.join(" ")}`;
    return [[NAME, `0 ${sectors} integrity ${words}`]];
  }

  #format(): string[] {
    const { journalSectors, interleaveSectors, blockBytes, hash, hasMetaDevice } = this.#stack;
    return [
      `journal_sectors:${journalSectors}`,
      `interleave_sectors:${interleaveSectors}`,
      "buffer_sectors:8",
      "fix_padding",
      `block_size:${blockBytes}`,
      `internal_hash:${hash}`,
      ...(hasMetaDevice ? ["meta_device:/meta"] : []),
    ];
  }

  #modeOptions(): string[] {
    const { watermarkPercent, bitSectors, bitmapFlushMs } = this.#stack;
    switch (this.#mode) {
      case "J":
        return [`journal_watermark:${watermarkPercent}`, "commit_time:1000"];
      case "B":
        return [
          `sectors_per_bit:${bitSectors}`,
          `bitmap_flush_interval:${bitmapFlushMs}`,
          "commit_time:1000",
        ];
      case "D":
        return ["commit_time:1000"];
    }
  }

  /** A new device has no tags yet. In mode D a crash leaves tags that are wrong, and only its administrator can mend that. */
  #recalculation(): string[] {
    const isFirst = this.machine.life === 1;
    if (this.#mode === "D" && !isFirst) return ["reset_recalculate"];
    return isFirst || this.#stack.recalculates ? ["recalculate"] : [];
  }

  judge(): Promise<string[]> {
    return Promise.resolve([]);
  }

  /** The next table has a bitmap instead of a journal, or the other way round. */
  override administer({ do: what }: Administration): Promise<void> {
    if (what === "convert" && this.#mode !== "D") this.#mode = this.#mode === "J" ? "B" : "J";
    return Promise.resolve();
  }

  override async look(): Promise<void> {
    const { machine } = this;
    const { front, oracle } = this.volumes[0]!;
    if (front === null || machine.life === this.#readInLife) return;
    this.#readInLife = machine.life;
    const least = oracle.floors(0, oracle.sectors, "acknowledged");
    const wrong = oracle.wrongIn(0, await readAll(front, 0), least);
    machine.wrong.push(...wrong.map((text) => `after a crash ${text}`));
  }

  async settle(): Promise<void> {
    await this.until("recalculation", async () => {
      const [, all, done] = await this.machine.status(NAME);
      return done === "-" || done === all;
    });
  }

  async atRest(): Promise<string[]> {
    const [mismatches] = await this.machine.status(NAME);
    return mismatches === "0" ? [] : [`${mismatches} blocks had not their tag`];
  }
}
