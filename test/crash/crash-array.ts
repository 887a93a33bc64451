/**
 * One array of a daemon that is killed again and again: clients that write and flush, somebody who takes members out and puts them in, and
 * who knows what must be there afterwards.
 */
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { ApiClient } from "../../src/api/client.ts";
import { HoldfastError } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import { BioFlags } from "../../src/block/bio.ts";
import { flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import type { OpenedDevice } from "../../src/devices/file.ts";
import { openNbdDevice } from "../../src/devices/nbd.ts";
import { nodeEnv } from "../../src/env/node/env.ts";
import { SectorOracle } from "../support/sector-oracle.ts";
import { emptyDisk } from "../support/temp.ts";
import { chooseChange, fillUp } from "./changes.ts";
import { createCall } from "./shapes.ts";
import type { CrashShape } from "./shapes.ts";

const BYTES_BESIDE_DATA = 3 * 1024 * 1024;
/** So that background sync is still under way when the daemon is killed. */
const SLOW_KIB = 400;
const WRITERS = 4;

const isRefusal = (error: unknown): error is HoldfastError =>
  error instanceof HoldfastError && (error.code === "busy" || error.code === "usage");

/** Between two kills. */
export interface Era {
  readonly api: ApiClient;
  readonly nbdSocket: string;
  /** One more request is answered. */
  readonly answered: () => void;
  readonly isOver: () => boolean;
}

export class CrashArray {
  readonly shape: CrashShape;
  readonly log: string[] = [];
  readonly #prng: Prng;
  readonly #folder: string;
  readonly #images: readonly string[];
  readonly #journal: string | null;
  #oracle: SectorOracle | null = null;
  #device: OpenedDevice | null = null;
  /** Nobody was missing when last looked at, and nobody was taken out since. */
  #isWhole = true;
  /** Images that are not where the daemon looks for them. */
  #hidden: string[] = [];
  /** Background sync has ended since the last crash. */
  #isSynced = false;
  /** Sectors that a write hole may have spoilt. */
  #spoilt: ReadonlySet<number> = new Set();

  constructor(shape: CrashShape, prng: Prng, folder: string) {
    this.shape = shape;
    this.#prng = prng;
    this.#folder = folder;
    const bytes = BYTES_BESIDE_DATA + shape.componentSectors * 512;
    const image = (name: string): string =>
      emptyDisk(join(folder, `${shape.name}-${name}.img`), bytes);
    this.#images = Array.from({ length: shape.disks + 1 }, (_unused, at) => image(String(at)));
    this.#journal = shape.hasJournal ? image("journal") : null;
  }

  /** All that are where the daemon looks for them. */
  get images(): readonly string[] {
    return [...this.#images, ...(this.#journal === null ? [] : [this.#journal])].filter((path) =>
      existsSync(path),
    );
  }

  get #path(): string {
    return `/dev/${this.shape.name}`;
  }

  async create({ api }: Era): Promise<void> {
    // Not every journal goes with a spare at creation; the last image is one from the start or comes later.
    const spares = this.shape.hasJournal ? 0 : this.#prng.below(2);
    const members = this.#images.slice(0, this.shape.disks + spares);
    const paths = { members, journal: this.#journal };
    const { componentSectors } = this.shape;
    const assumeClean = this.#prng.chance(0.5);
    await api.create(createCall(this.shape, paths, { assumeClean, componentSectors }));
  }

  async open({ nbdSocket }: Era): Promise<void> {
    const uri = `nbd+unix:///${this.shape.name}?socket=${nbdSocket}`;
    this.#device = await openNbdDevice(nodeEnv(), uri, { readOnly: false });
    this.#oracle ??= new SectorOracle(this.#device.sectors);
  }

  /** Clients and whoever looks after its members, until the daemon is no more. Throws what must not happen. */
  async live(era: Era): Promise<void> {
    if (this.#prng.chance(0.7)) await this.#ignoringTheEnd(era, this.#slowDown(era));
    const writers = Array.from({ length: WRITERS }, () => this.#write(era));
    await Promise.all([...writers, this.#changeMembers(era)]);
  }

  async #slowDown({ api }: Era): Promise<void> {
    for (const end of ["min", "max"] as const)
      await api.set({ array: this.#path, action: { kind: "sync-speed", end, kib: SLOW_KIB } });
  }

  async #ignoringTheEnd<T>({ isOver }: Era, work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (error) {
      if (isOver()) return null;
      throw error;
    }
  }

  async #write(era: Era): Promise<void> {
    const prng = this.#prng;
    const oracle = this.#oracle!;
    const device = this.#device!;
    while (!era.isOver()) {
      if (prng.chance(0.15)) {
        const flushed = oracle.flush();
        if (
          (await this.#ignoringTheEnd(
            era,
            flush(device).then(() => true),
          )) === true
        )
          flushed();
        else return;
      } else {
        const sectors = prng.chance(0.2) ? prng.between(16, 160) : prng.between(1, 8);
        const write = oracle.begin(prng.below(oracle.sectors - sectors + 1), sectors);
        if (write === null) continue;
        const isFua = prng.chance(0.2);
        const flags = isFua ? BioFlags.fua : BioFlags.none;
        const writing = writeSectors(device, write.sector, write.data, flags).then(() => true);
        if ((await this.#ignoringTheEnd(era, writing)) !== true) return;
        oracle.acknowledge(write, isFua);
      }
      era.answered();
    }
  }

  /** One thing after the other; whoever is asked may well say no. */
  async #changeMembers(era: Era): Promise<void> {
    const { api, isOver } = era;
    const array = this.#path;
    while (!isOver()) {
      const view = await this.#ignoringTheEnd(era, api.array(array));
      if (view === null) return;
      try {
        const change = chooseChange(this.shape, this.#images, view, this.#prng);
        this.log.push(change.text);
        if (change.text.startsWith("fail")) this.#isWhole = false;
        await change.work(api);
      } catch (error) {
        if (isOver()) return;
        if (!isRefusal(error)) throw error;
        this.log.push(`refused: ${error.message}`);
      }
      // Let the clients go on for a while.
      await this.#ignoringTheEnd(era, this.#someReads());
    }
  }

  async #someReads(): Promise<void> {
    const oracle = this.#oracle!;
    for (let left = this.#prng.between(1, 30); left > 0; left -= 1)
      await readSectors(this.#device!, this.#prng.below(oracle.sectors - 8), 8);
  }

  /** The daemon is no more. @param losesMember one disk dies with it, where that may be borne */
  crash(losesMember: boolean): void {
    const { shape } = this;
    this.#device = null;
    const busy = [...this.#oracle!.busy];
    this.#oracle!.forgetWriters();
    this.log.push(`killed, ${busy.length} sectors being written, whole ${this.#isWhole}`);
    if (!this.#isWhole) this.#spoil(busy);
    const canLose =
      shape.isHoleClosed && this.#isWhole && (shape.rowSectors === 0 || this.#isSynced);
    this.#isSynced = false;
    if (!losesMember || !canLose) return;
    const lost = this.#prng.pick(this.#images.slice(0, shape.disks));
    this.log.push(`${lost} dies as well`);
    renameSync(lost, `${lost}.away`);
    this.#hidden.push(lost);
    this.#isWhole = false;
    this.#spoil(busy);
  }

  /**
   * A crash in the middle of writes to a stripe with parity, of which a member is missing. A journal has all of the stripe. Partial parity
   * has what nobody was writing, but not what the missing member should have got. Without either the whole row may be spoilt.
   */
  #spoil(busy: readonly number[]): void {
    const { rowSectors, hasJournal, isHoleClosed } = this.shape;
    if (rowSectors === 0 || hasJournal) return;
    const spoilt = new Set([...this.#spoilt, ...busy]);
    if (!isHoleClosed) {
      for (const row of new Set(busy.map((sector) => Math.floor(sector / rowSectors))))
        for (let at = 0; at < rowSectors; at += 1) spoilt.add(row * rowSectors + at);
    }
    this.#spoilt = spoilt;
  }

  /** There are sectors of which nobody knows what is there: `becomeWhole` comes before anything else is written. */
  get mustSettle(): boolean {
    return this.#spoilt.size > 0;
  }

  /** Any other program has to start it without force too. */
  get isSound(): boolean {
    return this.#isWhole || this.shape.isHoleClosed;
  }

  /** What may be read from now on is judged as of now. */
  judge(): (content: Uint8Array) => string[] {
    const oracle = this.#oracle!.copy();
    const spoilt = this.#spoilt;
    const isExempt = (sector: number): boolean => spoilt.has(sector);
    return (content) => oracle.wrongIn(content, { floor: "acknowledged", isExempt });
  }

  /** It runs again by itself, or is helped where a person would have to. */
  async startAgain({ api }: Era): Promise<"by itself" | "without a disk" | "by force"> {
    const array = this.#path;
    const view = await api.array(array).catch(() => null);
    if (view !== null && view.state !== "inactive") {
      this.log.push(`runs again, degraded ${view.degraded}, ${view.sync?.kind ?? "nothing"} to do`);
      return "by itself";
    }
    const why = (await api.health()).problems.find((each) => each.includes(`${array} `));
    await api.stop({ array, force: false });
    const call = {
      names: { kernelName: this.shape.name, path: array },
      devices: this.images,
      mode: "read-write",
      run: true,
      noDegraded: false,
      update: null,
    } as const;
    const outcome = await api.assemble({ ...call, force: false });
    if (outcome.kind === "started") {
      if (this.#hidden.length > 0) return "without a disk";
      throw this.#wrong(`was not started by itself: ${why}`);
    }
    if (this.shape.isHoleClosed || this.#isWhole)
      throw this.#wrong(`does not start again: ${outcome.reason}`);
    await api.stop({ array, force: false });
    const forced = await api.assemble({ ...call, force: true });
    this.log.push(`started by force: ${forced.forced.join("; ")}`);
    if (forced.kind !== "started") throw this.#wrong(`not even by force: ${forced.reason}`);
    return "by force";
  }

  /** What is there is what must be there. */
  async verify(when: string): Promise<Uint8Array> {
    const content = await readSectors(this.#device!, 0, this.#oracle!.sectors);
    const wrong = this.judge()(content);
    if (wrong.length > 0) throw this.#wrong(`${when}:\n${wrong.slice(0, 10).join("\n")}`);
    return content;
  }

  /** Background sync ends, everybody is back, and a check finds all alike. From then on it is known what is there. */
  async becomeWhole(era: Era, isForced: boolean): Promise<void> {
    const { api } = era;
    const array = this.#path;
    for (const path of this.#hidden.splice(0)) renameSync(`${path}.away`, path);
    await api.wait(array);
    await fillUp(api, array, this.#images);
    // Started by force it was taken for clean: what a raid6 has too much of may disagree.
    if (isForced) await this.#pass(api, "repair");
    await this.#pass(api, "check");
    const view = await api.array(array);
    if (view.degraded > 0 || view.lastSyncAction !== "check" || view.mismatchSectors > 0)
      throw this.#wrong(
        `degraded ${view.degraded}, last ${view.lastSyncAction}, mismatches ${view.mismatchSectors}`,
      );
    await this.#settle();
    this.#isWhole = true;
    this.#isSynced = true;
  }

  /** What is asked for is dropped when a spare has just found something to do. */
  async #pass(api: ApiClient, action: "check" | "repair"): Promise<void> {
    const array = this.#path;
    for (let turn = 0; turn < 3; turn += 1) {
      await api.set({ array, action: { kind: "sync-action", action } });
      await api.wait(array);
      const { lastSyncAction, mismatchSectors } = await api.array(array);
      this.log.push(`last ${lastSyncAction}, mismatches ${mismatchSectors}`);
      if (lastSyncAction === action) return;
    }
  }

  async #settle(): Promise<void> {
    const oracle = this.#oracle!;
    const content = await this.verify("when all is synced");
    this.#spoilt = new Set();
    for (const sector of oracle.settle(content)) {
      const write = oracle.begin(sector, 1)!;
      await writeSectors(this.#device!, sector, write.data);
      oracle.acknowledge(write, false);
    }
  }

  #wrong(what: string): Error {
    const lines = this.log.slice(-40).map((line) => line.replaceAll(`${this.#folder}/`, ""));
    return new Error(`${this.shape.title} (${this.shape.name}) ${what}\n${lines.join("\n")}`);
  }
}
