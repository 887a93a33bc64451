/**
 * The life of an array on disks whose power can be cut: clients read, write and flush, members fail, hang and come back, sectors go bad, spares
 * are filled and take over, checks run, and whoever administers it changes its mind; then a cut, and another start, some of them cut again;
 * and a judgement of what is found. All that chance decides comes from one seed.
 */
import { Prng } from "../../src/base/prng.ts";
import { BioFlags } from "../../src/block/bio.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import type { CreateRequest } from "../../src/md/create/request.ts";
import type { ManagedArray } from "../../src/md/running/managed-array.ts";
import { settled } from "./crash-disks.ts";
import { administer } from "./life-administration.ts";
import { Content } from "./life-content.ts";
import { stamped } from "../../src/sim/stamp.ts";
import { LifeDisks } from "./life-disks.ts";
import { VirtualTime } from "./virtual-time.ts";
import { createOnDisks, runDisks } from "./written-array.ts";

const DATA_OFFSET = 256;
const COMPONENT = 256;
const RING_SECTORS = 256;
const MOST_BUSY = 96;

export interface LifeShape {
  readonly name: string;
  readonly disks: number;
  /** Members that it can lose. */
  readonly bearable: number;
  readonly request: Partial<CreateRequest>;
  /** Where its data start, sectors. */
  readonly dataOffset?: number;
}

const hasParity = ({ request: { level } }: LifeShape): boolean => /raid[456]/.test(level!);

export class Life {
  readonly shape: LifeShape;
  readonly prng: Prng;
  readonly log: string[] = [];
  readonly content = new Content();
  readonly wrong: string[] = [];
  readonly #log: "journal" | "ppl" | null;
  readonly #time = new VirtualTime();
  readonly #dataOffset: number;
  disks: LifeDisks;
  #managed: ManagedArray | null = null;
  #generation = 0;
  #isDegraded = false;

  constructor(shape: LifeShape, seed: number) {
    this.shape = shape;
    this.prng = new Prng(seed);
    this.#dataOffset = shape.dataOffset ?? DATA_OFFSET;
    const policy = shape.request.consistencyPolicy;
    this.#log = policy === "journal" || policy === "ppl" ? policy : null;
    const writeBehind = shape.request.level === "raid1" && this.prng.chance(0.3) ? 8 : 0;
    const hasBitmap = this.#log === null && this.prng.chance(0.5);
    const bitmap = hasBitmap ? { chunkSectors: 128, delaySeconds: 5, writeBehind } : null;
    const request = {
      chunkSectors: 16,
      ...shape.request,
      bitmap,
      raidDisks: shape.disks,
      spareDisks: this.prng.below(2),
      assumeClean: this.prng.chance(0.6),
      badBlockLog: this.prng.chance(0.6),
      force: true,
      dataOffsetSectors: this.#dataOffset,
    };
    const count = shape.disks + request.spareDisks;
    const ring = this.#log === "journal" ? this.#dataOffset + RING_SECTORS : 0;
    const made = createOnDisks(this.prng, count, this.#dataOffset + COMPONENT, request, ring);
    const images = made.map(({ bytes }) => bytes);
    this.disks = new LifeDisks(this.prng, images);
    const { spareDisks, badBlockLog } = request;
    this.log.push(
      `${shape.name}, bitmap ${hasBitmap}, spares ${spareDisks}, bad-block log ${badBlockLog}`,
    );
  }

  get managed(): ManagedArray {
    return this.#managed!;
  }

  get array(): ManagedArray["array"] {
    return this.managed.array;
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
      if (!this.disks.step()) this.#time.next();
    }
    throw new Error("it never ends");
  }

  async start(force = false): Promise<void> {
    this.#generation += 1;
    this.#managed = await this.until(runDisks(this.disks.devices, this.#time, { force }));
    for (const member of this.array.members.attached) {
      member.failFast = this.prng.chance(0.1);
      if (this.shape.request.level === "raid1") member.writeMostly = this.prng.chance(0.3);
    }
    this.content.grow(this.array.sectors);
  }

  async live(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) {
      const choice = this.prng.below(100);
      if (choice < 22) this.#write();
      else if (choice < 27) this.#flush();
      else if (choice < 30) this.#read();
      else if (choice < 32) this.#lose();
      else if (choice < 37) administer(this);
      else if (choice < 40) this.#time.next();
      else this.disks.step();
      await settled();
    }
  }

  /** Nobody asks for anything for a while: what only time does gets its turn. */
  async lull(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) {
      if (!this.disks.step()) this.#time.next();
      await settled();
    }
  }

  #range(most: number): number[] {
    const sectors = Math.min(this.array.sectors, this.prng.between(1, most));
    const at = this.prng.below(this.array.sectors - sectors + 1);
    return Array.from({ length: sectors }, (_, i) => at + i);
  }

  #write(): void {
    const { content, prng, log } = this;
    const { busy } = content;
    const range = this.#range(prng.chance(0.2) ? 64 : 8);
    if (busy.size >= MOST_BUSY || range.some((sector) => busy.has(sector))) return;
    const version = content.begin(range);
    const isFua = prng.chance(0.3);
    log.push(`write ${version} ${range[0]}+${range.length}${isFua ? " fua" : ""}`);
    const data = stamped(range[0]!, range.length, version);
    const flags = isFua ? BioFlags.fua : BioFlags.none;
    const generation = this.#generation;
    void writeSectors(this.array, range[0]!, data, flags).then(
      () => {
        if (generation !== this.#generation) return;
        log.push(`done ${version}`);
        content.acknowledge(range, version, isFua);
      },
      (error: Error) => {
        log.push(`failed ${version}: ${error.message}`);
        // Some of it may have been written: what was before counts as little as after a cut.
        if (generation === this.#generation) for (const sector of range) busy.delete(sector);
      },
    );
  }

  #flush(): void {
    const flushed = this.content.flush();
    const generation = this.#generation;
    void flush(this.array).then(
      () => {
        if (generation !== this.#generation) return;
        this.log.push("flushed");
        flushed();
      },
      (error: Error) => this.log.push(`flush failed: ${error.message}`),
    );
  }

  /** What was acknowledged before it was asked for, or anything newer. */
  #read(): void {
    const range = this.#range(32);
    const least = range.map((sector) => this.content.known[sector]!.acknowledged);
    const generation = this.#generation;
    void readSectors(this.array, range[0]!, range.length).then(
      (data) => {
        if (generation !== this.#generation) return;
        const problems = this.content.problems(range[0]!, data, least);
        this.log.push(...problems);
        this.wrong.push(...problems.map((text) => `client: ${text}`));
      },
      (error: Error) => {
        if (generation === this.#generation) this.wrong.push(`client: ${error.message}`);
      },
    );
  }

  /** Members and spares only: a journal that is lost is lost. */
  get #ordinaryDisks(): number {
    return this.disks.devices.length - (this.#log === "journal" ? 1 : 0);
  }

  /** Another disk may be lost now. */
  #isBearable(disk: number): boolean {
    const { members, record } = this.array;
    const { failed, sick } = this.disks;
    if (failed.has(disk)) return false;
    if (record.resyncOffsetSectors < Infinity && hasParity(this.shape)) return false;
    const isNews = (other: number): boolean =>
      members.attached.some(({ label, isFaulty }) => label === `disk${other}` && !isFaulty);
    const isSickElsewhere = sick !== null && sick !== disk;
    // What a member lists as bad it lacks until that is written again, even if its disk is well by now.
    const counted = new Set([disk, sick, ...failed].map((other) => `disk${other}`));
    const lacking = members.attached.filter(
      ({ label, isInSync, badBlocks }) => isInSync && !badBlocks.isEmpty && !counted.has(label),
    );
    const missing = members.degraded + [...failed].filter(isNews).length;
    const lost = missing + Number(isSickElsewhere) + lacking.length;
    return lost < this.shape.bearable;
  }

  #lose(): void {
    const disk = this.prng.below(this.#ordinaryDisks);
    if (!this.#isBearable(disk) || this.prng.chance(0.4)) return;
    if (this.disks.sick === null && this.disks.failed.size === 0 && this.prng.chance(0.4)) {
      // What a partial parity log is put right with must be readable.
      if (this.array.degraded > 0 || this.#log === "ppl") return;
      this.log.push(`disk${disk} has bad sectors`);
      this.disks.sicken(disk, this.#dataOffset);
      return;
    }
    this.log.push(`disk${disk} is lost`);
    this.disks.lose(disk);
  }

  /** The power fails; what had failed is back or stays away. */
  cut(): void {
    const { record, degraded } = this.array;
    const { failed, sick } = this.disks;
    this.#isDegraded = degraded > 0 || failed.size > 0 || sick !== null;
    this.#generation += 1;
    this.content.cut();
    const away = [...failed].filter(() => this.prng.chance(0.5));
    // Blocks that were being written may be lost with a member, and without a log those beside them.
    if (hasParity(this.shape) && this.#isDegraded && this.#log !== "journal") this.#takeRisk();
    this.#time.clear();
    this.disks = this.disks.cut((disk) => away.includes(disk));
    this.log.push(
      `cut, clean ${record.isClean}, degraded ${this.#isDegraded}, away ${away.join(",")}`,
    );
  }

  /** Rows of chunks that were being written; with a partial parity log only what was written itself. */
  #takeRisk(): void {
    const { risky, holed } = this.content;
    const { disks, request } = this.shape;
    const row = 16 * (disks - (request.level === "raid6" ? 2 : 1));
    for (const sector of risky) {
      const from = this.#log === null ? Math.floor(sector / row) * row : sector;
      const count = this.#log === null ? row : 1;
      for (let at = from; at < from + count; at += 1) holed.add(at);
    }
  }

  /** By force only where nothing else is to be expected: parity that is missing a member in a dirty array. */
  async startAgain(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      if (!hasParity(this.shape) || !this.#isDegraded || this.#log !== null) throw error;
      this.log.push("by force");
      await this.start(true);
    }
  }
}
