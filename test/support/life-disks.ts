/** The disks of a simulated life, and what becomes of them: they vanish, hang, come back, and lose sectors. No more at a time than is bearable. */
import type { Prng } from "../../src/base/prng.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { DeadlineDevice } from "../../src/devices/deadline.ts";
import { CutDisks } from "./cut-disks.ts";
import { VirtualTime } from "./virtual-time.ts";

/** At the end of a disk, where superblocks of other versions are looked for. */
const PROBED_SECTORS = 128;
const TIMEOUT_MS = 3000;

export class LifeDisks {
  readonly #prng: Prng;
  /** Goes on only when nothing else can: a disk that does not hang answers in time. */
  readonly #time = new VirtualTime();
  readonly #disks: CutDisks;
  readonly devices: BlockDevice[];
  /** Do not answer, or answer with errors only. */
  readonly failed = new Set<number>();
  /** Has bad sectors, or had; null: none. It counts as lost for whatever else is to be lost. */
  sick: number | null = null;

  constructor(prng: Prng, images: readonly Uint8Array[]) {
    this.#prng = prng;
    this.#disks = new CutDisks(prng, images);
    this.devices = images.map((_, disk) => this.#guarded(disk));
  }

  #guarded(disk: number): DeadlineDevice {
    const options = { clock: this.#time, timers: this.#time, timeoutMs: TIMEOUT_MS, slowMs: 1000 };
    return new DeadlineDevice(this.#disks.disks[disk]!, options);
  }

  /** Ends one request, or gives up one that hangs. False: there is none. */
  step(): boolean {
    return this.#disks.step() || this.#time.next();
  }

  /** True: it answers errors, or nothing, from now on. */
  lose(disk: number): void {
    this.failed.add(disk);
    if (this.#prng.chance(0.6)) this.#disks.disks[disk]!.isGone = true;
    else this.#disks.disks[disk]!.isHung = true;
  }

  /** It was without power for a while, and answers, as a device that nobody uses yet; what it was asked before ends first. */
  async comeBack(disk: number): Promise<BlockDevice> {
    this.failed.delete(disk);
    const cutDisk = this.#disks.disks[disk]!;
    const left = this.devices[disk] as DeadlineDevice;
    cutDisk.answer();
    await left.whenQuiet();
    cutDisk.comeBack(this.#prng);
    const device = this.#guarded(disk);
    this.devices[disk] = device;
    return device;
  }

  /** It is there again, with all that it was told: nobody need have noticed. */
  recover(disk: number): void {
    const cutDisk = this.#disks.disks[disk]!;
    cutDisk.isGone = false;
    cutDisk.answer();
    this.failed.delete(disk);
  }

  /** Sectors of the data of one disk become bad. */
  sicken(disk: number, from: number): void {
    this.sick = disk;
    const { badReads, badWrites, sectors } = this.#disks.disks[disk]!;
    for (let count = this.#prng.between(1, 6); count > 0; count -= 1) {
      const sector = from + this.#prng.below(sectors - PROBED_SECTORS - from);
      badReads.add(sector);
      if (this.#prng.chance(0.3)) badWrites.add(sector);
    }
  }

  /** The power fails: what is on those that are there when it is back. */
  cut(staysAway: (disk: number) => boolean): LifeDisks {
    const images = this.#disks.cut();
    const there = images.flatMap((image, disk) => (staysAway(disk) ? [] : [{ image, disk }]));
    const next = new LifeDisks(
      this.#prng,
      there.map(({ image }) => image),
    );
    const sick = there.findIndex(({ disk }) => disk === this.sick);
    if (sick >= 0) {
      next.sick = sick;
      next.#disks.disks[sick]!.inheritFrom(this.#disks.disks[this.sick!]!);
    }
    return next;
  }
}
