/**
 * One run, cell by cell:
 *
 *   for each place, for each array:   make it -> serve it -> all its cells, variants in turns -> stop -> remove it
 *
 * Results are saved and the page is made anew after each cell, so what was measured survives whatever ends the run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { CELLS } from "./cells.ts";
import type { Cell, PlaceName } from "./cells.ts";
import { judgeGoals } from "./judge.ts";
import { LoadBench } from "./load-cell.ts";
import { backendOf, buildFingerprint, currentCommit, describeMachine } from "./machine.ts";
import { makeStack } from "./mapped.ts";
import type { MadeStack } from "./mapped.ts";
import { idleNodeRssMiB } from "./measure.ts";
import { writePages } from "./page.ts";
import { measureParity } from "./parity-hook.ts";
import { measurePass } from "./pass-cell.ts";
import { problemsOfServers } from "./peers.ts";
import { cellIdsOf, durationText, estimate, groupsOf, Progress, withoutDone } from "./plan.ts";
import type { Group, Plan } from "./plan.ts";
import { measureResyncs } from "./resync.ts";
import { profileCell } from "./profile.ts";
import { loadResults, mainMetric, peerOf, ratioOf, saveResults } from "./results.ts";
import type { CellResult, Results } from "./results.ts";

export type Folders = Readonly<Record<PlaceName, string>>;

function ratioText(cell: CellResult): string {
  const peer = peerOf(cell);
  const ratios = Object.keys(cell.variants)
    .filter((name) => name !== peer)
    .map((name) => {
      const ratio = ratioOf(cell, mainMetric(cell), name, peer);
      return `${name} ${ratio?.toFixed(2) ?? "skipped"}`;
    });
  return `${ratios.join(", ")} (of ${peer})`;
}

/** Where something else stands behind the name `holdfast`, or another machine, old results would only mislead. */
function isAlike(old: Results, { machine, backend }: Pick<Results, "machine" | "backend">) {
  return old.backend === backend && old.machine["processor"] === machine["processor"];
}

export class Bench {
  readonly #wanted: Plan;
  readonly #folders: Folders;
  readonly #commit: string;
  readonly #build = buildFingerprint();
  /** Variants that cannot run here, and why. */
  #skipped: ReadonlyMap<string, string> = new Map();
  #results: Results;
  #plan: Plan;
  #progress = new Progress(new Map());
  #started = 0;

  private constructor(plan: Plan, folders: Folders, commit: string, results: Results) {
    this.#wanted = plan;
    this.#plan = plan;
    this.#folders = folders;
    this.#commit = commit;
    this.#results = results;
  }

  /** @param bases whose file systems the folders lie on */
  static async create(plan: Plan, folders: Folders, bases: Folders): Promise<Bench> {
    const about = {
      machine: await describeMachine(bases),
      backend: await backendOf(),
      idleNodeRssMiB: await idleNodeRssMiB(),
    };
    const old = loadResults(plan.name);
    const isWanted = (plan.isPartial || plan.isResuming) && old !== null;
    const isKept = isWanted && isAlike(old, about);
    if (isWanted && !isKept) console.log("Old results are of another machine or backend: dropped.");
    const commit = await currentCommit();
    return new Bench(plan, folders, commit, {
      cells: [],
      parity: [],
      ...(isKept ? old : {}),
      ...about,
    });
  }

  #save(change: Partial<Results>): void {
    this.#results = { ...this.#results, ...change };
    saveResults(this.#plan.name, this.#results);
    writePages({ isFormatted: false });
  }

  #say(id: string, text: string): void {
    const elapsed = (performance.now() - this.#started) / 1000;
    console.log(`[${this.#progress.done(id, elapsed)}] ${id}: ${text}`);
  }

  async #measureCell(cell: Cell, array: MadeStack, bench: LoadBench): Promise<void> {
    const { repetitions, seconds } = this.#plan;
    const load = loadavg()[0] ?? 0;
    const variants =
      cell.kind === "load"
        ? await bench.measure(cell, this.#skipped, { repetitions, seconds })
        : await measurePass(cell, array, repetitions);
    const at = new Date().toISOString();
    const about = { id: cell.id, at, commit: this.#commit, build: this.#build };
    const result: CellResult = { ...about, seconds, load, variants };
    const others = this.#results.cells.filter(({ id }) => id !== cell.id);
    const profiles = (this.#results.profiles ?? []).filter((each) => each.cell !== cell.id);
    this.#save({ cells: [...others, result], profiles });
    this.#say(cell.id, ratioText(result));
  }

  async #runGroup({ array: name, place, cells }: Group): Promise<void> {
    const { loadMiB, passMiB } = this.#plan;
    const folder = mkdtempSync(join(this.#folders[place], `${name}-`));
    try {
      const sizeMiB = cells[0]?.kind === "pass" ? passMiB : loadMiB;
      const array = await makeStack(folder, name, sizeMiB);
      const bench = new LoadBench(array, folder);
      try {
        for (const cell of cells) await this.#measureCell(cell, array, bench);
      } finally {
        await bench.close();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  async #measureParity(): Promise<void> {
    const measured = await measureParity(this.#plan.name === "quick");
    if ("problem" in measured) {
      this.#say("parity", measured.problem);
      return;
    }
    this.#save({ parity: measured.results, parityBuild: this.#build });
    const least = Math.min(...measured.results.map(({ ratioToIsal }) => ratioToIsal));
    this.#say("parity", `at least ${least.toFixed(2)} (of ISA-L)`);
  }

  async #measureResyncs(): Promise<void> {
    const { name, repetitions } = this.#plan;
    const resyncs = await measureResyncs(this.#folders.tmpfs, name, repetitions);
    this.#save({ resyncs });
    this.#say("resync", `${resyncs.length} cases`);
  }

  /** So that a goal that is not met has a why: one profile for each such cell and variant. */
  async #profileMisses(): Promise<void> {
    const missed = judgeGoals(this.#results, []).filter(({ verdict }) => verdict === "not met");
    for (const { where, of } of missed) {
      const cell = CELLS.find(({ id }) => id === where);
      const known = this.#results.profiles ?? [];
      const isKnown = known.some((each) => each.cell === where && each.variant === of);
      if (cell === undefined || isKnown) continue;
      console.log(`profiling ${of} in ${where}, which misses a goal`);
      try {
        const functions = await profileCell(cell, of);
        const about = { cell: where, variant: of, at: new Date().toISOString() };
        this.#save({ profiles: [...known, { ...about, commit: this.#commit, functions }] });
      } catch (error) {
        console.log(`no profile: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async #findProblems(): Promise<void> {
    const problems = new Map(await problemsOfServers(this.#folders.disk));
    if (this.#results.backend === "node") {
      problems.set("holdfast-node", "io_uring cannot be used here, so `holdfast` is the same");
      console.log("Holdfast cannot use io_uring here: its backend is node.");
    }
    for (const [name, problem] of problems) console.log(`${name} is left out: ${problem}`);
    this.#skipped = problems;
  }

  async run(): Promise<void> {
    this.#plan = withoutDone(this.#wanted, this.#results, this.#build);
    await this.#findProblems();
    if (this.#skipped.has("fio")) {
      console.log("Without it there is no load: only dumps and the parity kernels are measured.");
      this.#plan = this.#withoutLoad();
    }
    this.#progress = new Progress(estimate(this.#plan));
    const { cells, repetitions, seconds } = this.#plan;
    const about = `${cells.length} cells, ${repetitions} times ${seconds} s for each server`;
    console.log(`${about}: about ${durationText(this.#progress.allSeconds)}`);
    this.#started = performance.now();
    for (const group of groupsOf(cells)) await this.#runGroup(group);
    if (this.#plan.withResyncs) await this.#measureResyncs();
    if (this.#plan.withParity) await this.#measureParity();
    if (this.#plan.name === "full") await this.#profileMisses();
  }

  #withoutLoad(): Plan {
    return { ...this.#plan, cells: this.#plan.cells.filter(({ kind }) => kind === "pass") };
  }

  /** Of this run's results, those that were kept included. */
  judge(): ReturnType<typeof judgeGoals> {
    return judgeGoals(this.#results, cellIdsOf(this.#plan.name));
  }
}
