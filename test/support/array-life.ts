/**
 * The life of an array on disks whose power can be cut: clients write and flush, members fail and come back, spares are filled, checks run;
 * then a cut, another start, and a judgement of what is found. All that chance decides comes from one seed.
 */
import { probeMdSuperblocks } from "../../src/md/probe.ts";
import type { Member } from "../../src/md/running/member.ts";
import { judgeReturn, rejoin } from "../../src/md/running/rejoin.ts";
import type { CutDisk } from "./cut-disks.ts";
import { SectorOracle } from "./sector-oracle.ts";
import { CutDisks } from "./cut-disks.ts";
import { settled } from "./crash-disks.ts";
import { VirtualTime } from "./virtual-time.ts";
import { createOnDisks, runDisks } from "./written-array.ts";
import { Prng } from "../../src/base/prng.ts";
import { BioFlags } from "../../src/block/bio.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import type { CreateRequest } from "../../src/md/create/request.ts";
import type { ManagedArray } from "../../src/md/running/managed-array.ts";

const DATA_OFFSET = 256;
const COMPONENT = 256;
const SLOTS_OF_CLIENTS = 4;

export interface LifeShape {
  readonly name: string;
  readonly disks: number;
  /** Members that it can lose. */
  readonly bearable: number;
  readonly request: Partial<CreateRequest>;
}

const hasParity = ({ request: { level } }: LifeShape): boolean => /raid[456]/.test(level!);

class Life {
  readonly shape: LifeShape;
  readonly prng: Prng;
  readonly log: string[] = [];
  readonly #request: Partial<CreateRequest>;
  #time = new VirtualTime();
  #disks: CutDisks;
  #managed: ManagedArray | null = null;
  #oracle: SectorOracle | null = null;
  #isDegraded = false;
  #failed = new Set<number>();

  constructor(shape: LifeShape, seed: number) {
    this.shape = shape;
    this.prng = new Prng(seed);
    const bitmap = this.prng.chance(0.5)
      ? { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 }
      : null;
    this.#request = {
      chunkSectors: 16,
      ...shape.request,
      bitmap,
      raidDisks: shape.disks,
      spareDisks: this.prng.below(2),
      assumeClean: this.prng.chance(0.6),
      force: true,
      dataOffsetSectors: DATA_OFFSET,
    };
    const count = shape.disks + this.#request.spareDisks!;
    const made = createOnDisks(this.prng, count, DATA_OFFSET + COMPONENT, this.#request);
    this.#disks = new CutDisks(
      this.prng,
      made.map(({ bytes }) => bytes),
    );
    this.log.push(`${shape.name}, bitmap ${bitmap !== null}, spares ${this.#request.spareDisks}`);
  }

  get array(): ManagedArray["array"] {
    return this.#managed!.array;
  }

  /** I/O and time go on until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let turn = 0; turn < 200_000; turn += 1) {
      await settled();
      if (isSettled) return promise;
      if (!this.#disks.step()) this.#time.next();
    }
    throw new Error("it never ends");
  }

  async start(force = false): Promise<void> {
    this.#managed = await this.until(runDisks(this.#disks.disks, this.#time, { force }));
    this.#oracle ??= new SectorOracle(this.array.sectors);
  }

  async live(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) {
      const choice = this.prng.below(100);
      if (choice < 25) this.#write();
      else if (choice < 32) this.#flush();
      else if (choice < 34) this.#lose();
      else if (choice < 36) this.#comeBack();
      else if (choice < 38) void this.#managed!.sync.setAction("check").catch(() => {});
      else if (choice < 40) this.#time.next();
      else this.#disks.step();
      await settled();
    }
  }

  #write(): void {
    const { array, prng } = this;
    const oracle = this.#oracle!;
    if (oracle.busy.size >= SLOTS_OF_CLIENTS * 24) return;
    const sectors = prng.chance(0.2) ? prng.between(16, 64) : prng.between(1, 8);
    const write = oracle.begin(prng.below(array.sectors - sectors + 1), sectors);
    if (write === null) return;
    const { version, sector, data } = write;
    const isFua = prng.chance(0.3);
    this.log.push(`write ${version} ${sector}+${sectors}${isFua ? " fua" : ""}`);
    const flags = isFua ? BioFlags.fua : BioFlags.none;
    void writeSectors(array, sector, data, flags).then(
      () => {
        this.log.push(`done ${version}`);
        oracle.acknowledge(write, isFua);
      },
      (error: Error) => this.log.push(`failed ${version}: ${error.message}`),
    );
  }

  #flush(): void {
    const flushed = this.#oracle!.flush();
    void flush(this.array).then(
      () => {
        this.log.push("flushed");
        flushed();
      },
      (error: Error) => this.log.push(`flush failed: ${error.message}`),
    );
  }

  #lose(): void {
    const { members, record } = this.array;
    const isNews = (disk: number): boolean =>
      members.attached.some((one) => one.device === this.#disks.disks[disk] && !one.isFaulty);
    const lost = members.degraded + [...this.#failed].filter(isNews).length;
    if (lost >= this.shape.bearable || !this.prng.chance(0.5)) return;
    const disk = this.prng.below(this.#disks.disks.length);
    if (this.#failed.has(disk)) return;
    if (record.resyncOffsetSectors < Infinity && hasParity(this.shape)) return;
    this.#failed.add(disk);
    this.log.push(`disk${disk} is gone`);
    this.#disks.disks[disk]!.isGone = true;
  }

  /** A disk that had failed is there again, with what it had: removed and re-added, if what it holds counts for something. */
  #comeBack(): void {
    const disk = [...this.#failed][0];
    if (disk === undefined) return;
    const device = this.#disks.disks[disk]!;
    const member = this.array.members.attached.find((one) => one.device === device);
    if (member?.isFaulty !== true) return;
    this.#failed.delete(disk);
    device.comeBack(this.prng);
    this.log.push(`disk${disk} is back`);
    void this.#readd(device, member).catch((error: Error) => this.log.push(error.message));
  }

  async #readd(device: CutDisk, member: Member): Promise<void> {
    const managed = this.#managed!;
    await managed.removeMember(member);
    const { primary } = await probeMdSuperblocks(device);
    if (primary === null) return;
    const candidate = { path: device.name, device, superblock: primary };
    const eventsCleared = managed.bitmap?.store.eventsCleared ?? null;
    const verdict = judgeReturn({ array: managed.array, eventsCleared, candidate });
    this.log.push(`${device.name} comes ${verdict.kind}`);
    if (verdict.kind === "by-bitmap" || verdict.kind === "whole")
      await managed.addMember(await rejoin(candidate, verdict));
  }

  /** The power fails; what had failed is back or stays away. */
  cut(): void {
    const { record, degraded } = this.array;
    this.#isDegraded = degraded > 0 || this.#failed.size > 0;
    this.log.push(`cut, clean ${record.isClean}, degraded ${this.#isDegraded}`);
    const images = this.#disks.cut();
    this.#time.clear();
    const returning = images.filter((_, i) => !this.#failed.has(i) || this.prng.chance(0.5));
    // Once begun, an array that has lost nobody knows no failures.
    this.#time = new VirtualTime();
    this.#disks = new CutDisks(this.prng, returning);
    this.#oracle!.forgetWriters();
  }

  /** By force only where nothing else is to be expected: parity that is missing a member in a dirty array. True: so it was. */
  async startAgain(): Promise<boolean> {
    try {
      await this.start();
      return false;
    } catch (error) {
      if (!hasParity(this.shape) || !this.#isDegraded) throw error;
      await this.start(true);
      return true;
    }
  }

  /** What is wrong; empty when all is well. */
  async verify(isHole: boolean): Promise<string[]> {
    const managed = this.#managed!;
    await this.until(managed.sync.whenAtRest());
    const risky = isHole ? this.#riskyRows() : new Set<number>();
    const wrong: string[] = [];
    for (const when of ["at first", "again"]) {
      const content = await this.until(readSectors(managed.array, 0, managed.array.sectors));
      const found = this.#oracle!.wrongIn(content, {
        floor: "durable",
        isExempt: (sector) => risky.has(sector),
      });
      wrong.push(...found.map((line) => `${when}: ${line}`));
    }
    // Started by force it was taken for clean: what a raid6 has too much of may disagree, as after mdadm's.
    if (isHole) await this.#pass("repair");
    await this.#pass("check");
    const { last, mismatches } = managed.sync;
    if (last !== "check" || mismatches > 0) wrong.push(`the last ${last} found ${mismatches}`);
    await this.until(managed.close());
    return wrong.slice(0, 10);
  }

  async #pass(word: "check" | "repair"): Promise<void> {
    const { sync } = this.#managed!;
    await this.until(sync.setAction(word));
    await this.until(sync.whenAtRest());
  }

  /** Sectors of every row of chunks that was being written. */
  #riskyRows(): Set<number> {
    const { disks, request } = this.shape;
    const row = 16 * (disks - (request.level === "raid6" ? 2 : 1));
    const rows = new Set([...this.#oracle!.unflushed].map((sector) => Math.floor(sector / row)));
    return new Set(
      [...rows].flatMap((one) => Array.from({ length: row }, (_, i) => one * row + i)),
    );
  }
}

/** Lives once. Null, or what was wrong, with the end of what happened. */
export async function liveOnce(shape: LifeShape, seed: number): Promise<string | null> {
  const life = new Life(shape, seed);
  const told = (what: string): string =>
    [`life ${seed} of ${shape.name}:`, what, ...life.log.slice(-40)].join("\n");
  try {
    await life.start();
    await life.live(life.prng.between(20, 1200));
    life.cut();
    const wrong = await life.verify(await life.startAgain());
    return wrong.length === 0 ? null : told(wrong.join("\n"));
  } catch (error) {
    return told(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
