/**
 * Random reads, writes, losses, bad sectors, rebuilds and checks on arrays of every layout, with member bios let go in random order. No more is
 * damaged than parity makes up for, so every read must give what was written last, and at the end every block that is believed
 * must be what the volume's contents make it.
 */
import { describe, expect, it } from "vitest";
import { seedOfRun } from "../../../../../test/support/seed.ts";
import { DATA_OFFSET, StripedArray } from "../../../../../test/support/striped-array.ts";
import type { Disk } from "../../../../../test/support/striped-array.ts";
import { assert } from "../../../../base/assert.ts";
import { Arena } from "../../../../base/arena.ts";
import type { HoldfastError } from "../../../../base/errors.ts";
import { Prng } from "../../../../base/prng.ts";
import { SECTOR_BYTES } from "../../../../base/units.ts";
import { Bio, BioFlags } from "../../../../block/bio.ts";
import type { MdShape } from "../../../../formats/md/superblock.ts";
import { createParityKernels } from "../../../../parity/create.ts";
import { plainEngine } from "../../../../parity/engine.ts";
import type { ParityEngine } from "../../../../parity/engine.ts";
import type { SyncAction } from "../../core.ts";
import type { StepOutcome, SyncWork } from "../../../../sync/work.ts";
import { isTrusted } from "./holders.ts";

const SHAPES: readonly MdShape[] = [
  { level: "raid4", layout: 0, chunkSectors: 8, raidDisks: 4 },
  ...[0, 1, 2, 3, 4, 5].map((layout) => ({
    level: "raid5" as const,
    layout,
    chunkSectors: layout === 2 ? 256 : 16,
    raidDisks: layout % 2 === 0 ? 4 : 3,
  })),
  ...[0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20].map((layout) => ({
    level: "raid6" as const,
    layout,
    chunkSectors: layout === 2 ? 256 : 16,
    raidDisks: 4 + (layout % 3),
  })),
];

const arena = new Arena(16 * 1024 * 1024);
const ENGINES: readonly ParityEngine[] = [
  plainEngine,
  { arena, kernels: createParityKernels(arena) },
];
const ROUNDS = 6;
const STEPS = 60;
const seed = seedOfRun();

interface InFlight {
  readonly start: number;
  readonly end: number;
}

class Round {
  readonly array: StripedArray;
  readonly #prng: Prng;
  readonly #parity: number;
  readonly #inFlight = new Set<InFlight>();
  /** The slots that may be damaged. */
  readonly #victims: readonly number[];
  #pass: { work: SyncWork; action: SyncAction; at: number; isBusy: boolean } | null = null;
  reads = 0;
  writes = 0;

  constructor(shape: MdShape, prng: Prng, engine: ParityEngine) {
    this.#prng = prng;
    const rows = prng.between(2, shape.chunkSectors > 100 ? 3 : 9);
    const componentSectors = rows * shape.chunkSectors;
    const hasNoBadBlockLog = prng.chance(0.3);
    this.array = new StripedArray({ shape, componentSectors, prng, engine, hasNoBadBlockLog });
    this.#parity = shape.raidDisks - this.array.geometry.dataDisks;
    const slots = Array.from({ length: shape.raidDisks }, (_unused, slot) => slot);
    this.#victims = prng.shuffle(slots).slice(0, this.#parity);
  }

  run(): void {
    const prng = this.#prng;
    for (let step = 0; step < STEPS; step += 1) {
      for (let i = prng.below(6); i > 0; i -= 1) this.#submit();
      if (prng.chance(0.2)) this.#damage();
      if (prng.chance(0.3)) this.#syncStep();
      for (let i = prng.below(40); i > 0; i -= 1) this.array.pumpOne();
    }
    this.array.pump();
    while (this.#pass !== null) {
      this.#syncStep();
      this.array.pump();
    }
    assert(this.#inFlight.size === 0, "everything has ended");
    assert(this.array.core.locks.entries === 0, "no lock is left");
  }

  #submit(): void {
    const { geometry, content } = this.array;
    const prng = this.#prng;
    const sectors = geometry.arraySectors;
    const start = prng.below(sectors);
    const longest = prng.pick([1, 8, 40, sectors]);
    const end = start + prng.between(1, Math.min(longest, sectors - start));
    for (const other of this.#inFlight) if (start < other.end && other.start < end) return;
    const flight = { start, end };
    this.#inFlight.add(flight);
    const now = content.subarray(start * SECTOR_BYTES, end * SECTOR_BYTES);
    const kind = prng.pick(["read", "write", "write", "zeroes"]);
    if (kind === "read") {
      const data = new Uint8Array(now.length);
      this.array.read(start, data, (error) => {
        this.#inFlight.delete(flight);
        assert(error === null, `a read succeeds: ${error?.message}`);
        assert(Buffer.compare(data, now) === 0, `sectors ${start} to ${end} are as written`);
        this.reads += 1;
      });
      return;
    }
    const ended = (error: HoldfastError | null): void => {
      this.#inFlight.delete(flight);
      assert(error === null, `a write succeeds: ${error?.message}`);
      this.writes += 1;
    };
    const flags = prng.chance(0.2) ? BioFlags.fua : 0;
    if (kind === "zeroes") {
      now.fill(0);
      const bio = new Bio("write-zeroes", start, end - start, new Uint8Array(0), flags, ended);
      this.array.level.run(bio, ended);
    } else {
      prng.fill(now);
      const data = prng.chance(0.5) ? now.slice() : (arena.take(now.length) ?? now.slice());
      data.set(now);
      const exact = data.length === now.length ? data : data.subarray(0, now.length);
      this.array.write(
        start,
        exact,
        (error) => {
          // It is ours again, and whoever still used it would be found out.
          data.fill(0xee);
          if (arena.contains(data)) arena.give(data);
          ended(error);
        },
        flags,
      );
    }
  }

  #damage(): void {
    const prng = this.#prng;
    const slot = prng.pick(this.#victims);
    const here = this.array.disks.filter(({ member }) => member.slot === slot);
    const disk = here.length > 0 ? prng.pick(here) : null;
    switch (prng.below(7)) {
      case 0:
        if (disk !== null && prng.chance(0.4)) this.#lose(disk);
        break;
      case 1:
        if (disk !== null) this.#badSectors(disk, "failReads");
        break;
      case 2:
        if (disk !== null) this.#badSectors(disk, "failWrites");
        break;
      case 3:
        disk?.faulty.heal();
        break;
      case 4:
        disk?.member.badBlocks.add(DATA_OFFSET + this.#sector(), prng.between(1, 20));
        break;
      default:
        if (here.every(({ member }) => member.isReplacement))
          this.array.addDisk({ kind: "recovering", slot, recoveredSectors: 0 }, false);
        else if (here.length === 1 && here[0]!.member.isInSync)
          this.array.addDisk({ kind: "recovering", slot, recoveredSectors: 0 }, true);
        // Members that come while a pass runs are for the next one.
        this.#pass = null;
    }
  }

  #lose(disk: Disk): void {
    disk.faulty.vanish();
    if (this.#prng.chance(0.5)) this.array.fail(disk.member);
  }

  #sector(): number {
    return this.#prng.below(this.array.geometry.usedSectors);
  }

  #badSectors({ faulty }: Disk, kind: "failReads" | "failWrites"): void {
    const start = this.#sector();
    faulty[kind](DATA_OFFSET + start, this.#prng.between(1, 12));
  }

  #syncStep(): void {
    if (this.#pass === null) this.#beginPass();
    const pass = this.#pass;
    if (pass === null || pass.isBusy) return;
    pass.isBusy = true;
    let isStarted = false;
    let early: StepOutcome | null = null;
    let sectors = 0;
    const ended = (outcome: StepOutcome): void => {
      pass.isBusy = false;
      if (this.#pass !== pass) return;
      if (outcome.kind === "failed") {
        this.#pass = null;
        return;
      }
      assert(outcome.kind === "skipped" || outcome.mismatches === 0, "parity is right");
      pass.at += sectors;
      if (pass.action === "recover") this.array.recovered(pass.at);
      if (pass.at === pass.work.sectors) this.#pass = null;
    };
    sectors = pass.work.step(pass.at, pass.work.sectors, (outcome) => {
      if (isStarted) ended(outcome);
      else early = outcome;
    });
    isStarted = true;
    if (early !== null) ended(early);
  }

  #beginPass(): void {
    const action = this.#prng.pick(["recover", "recover", "check", "repair", "resync"] as const);
    const work = this.array.level.syncWork(action);
    if (work === null) return;
    // Each pass goes over all of it, so what it fills starts over.
    if (action === "recover") this.#startOver();
    this.#pass = { work, action, at: 0, isBusy: false };
  }

  #startOver(): void {
    for (const { member } of this.array.disks) {
      const { standing } = member;
      if (standing.kind === "recovering") member.standing = { ...standing, recoveredSectors: 0 };
    }
  }

  /** All that is believed is what it should be; and all of the volume can be read. */
  check(): void {
    const { array } = this;
    const { usedSectors } = array.geometry;
    for (let slot = 0; slot < array.geometry.raidDisks; slot += 1) {
      const expected = array.expected(slot);
      for (const disk of array.disks) {
        if (disk.member.slot !== slot) continue;
        const stored = array.stored(disk);
        for (let sector = 0; sector < usedSectors; sector += 1) {
          if (!isTrusted(disk.member, sector, 1)) continue;
          const from = sector * SECTOR_BYTES;
          const there = stored.subarray(from, from + SECTOR_BYTES);
          const wanted = expected.subarray(from, from + SECTOR_BYTES);
          if (Buffer.compare(there, wanted) !== 0)
            throw new Error(`${disk.member.label}, slot ${slot}, sector ${sector} is wrong`);
        }
      }
    }
    const all = new Uint8Array(array.content.length);
    let outcome: HoldfastError | null | undefined;
    array.read(0, all, (error) => (outcome = error));
    array.pump();
    assert(outcome === null, `all can be read: ${outcome?.message}`);
    assert(Buffer.compare(all, array.content) === 0, "all is as written");
  }
}

describe.each(SHAPES)("$level of $raidDisks, layout $layout", (shape) => {
  it(`keeps what is written through losses, rebuilds and checks (seed ${seed})`, () => {
    const prng = new Prng(seed);
    let reads = 0;
    let writes = 0;
    for (let i = 0; i < ROUNDS; i += 1) {
      const round = new Round(shape, prng, ENGINES[i % ENGINES.length]!);
      try {
        round.run();
        round.check();
      } catch (error) {
        throw new Error(`round ${i}: ${(error as Error).message}`, { cause: error });
      }
      reads += round.reads;
      writes += round.writes;
    }
    expect(arena.counters().buffers, "all buffers are given back").toBe(0);
    expect(reads).toBeGreaterThan(0);
    expect(writes).toBeGreaterThan(0);
  });
});
