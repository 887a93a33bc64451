/**
 * `npm run bench [-- --quick] [-- --only PATTERN] [-- --seconds N] [-- --repetitions N]`: side by side with other servers, on the same bytes.
 *
 *   for each place, for each array:   make it -> serve it -> all its cells, variants in turns -> stop -> remove it
 *
 * Results are kept in bench/results/ after each array, and the page is made from them at the end. Nothing is asserted: figures are for people.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../scripts/build.mjs";
import { stopOnSignals } from "../scripts/children.mjs";
import { makeArray } from "./arrays.ts";
import type { ArrayName, MadeArray } from "./arrays.ts";
import { CELLS } from "./cells.ts";
import type { Cell, PlaceName } from "./cells.ts";
import { needsVariant, peerOf } from "./goals.ts";
import { LoadBench } from "./load-cell.ts";
import type { Effort } from "./load-cell.ts";
import { backendOf, currentCommit, describeMachine } from "./machine.ts";
import { idleNodeRssMiB } from "./measure.ts";
import { writePage } from "./page.ts";
import { measureParity } from "./parity-hook.ts";
import { measurePass } from "./pass-cell.ts";
import { ioUringProblem, preparePeers } from "./peers.ts";
import { ratioOf, saveResults } from "./results.ts";
import type { CellResult, Metric, Results, ResultsName } from "./results.ts";

interface Plan extends Effort {
  readonly name: ResultsName;
  readonly cells: readonly Cell[];
  readonly loadMiB: number;
  readonly passMiB: number;
  readonly withParity: boolean;
}

/** Only what goals look at. */
function quickCells(): Cell[] {
  return CELLS.filter(({ isQuick }) => isQuick).map((cell) => {
    if (cell.kind === "pass") return cell;
    const variants = Object.entries(cell.variants).filter(([name]) => needsVariant(cell.id, name));
    return { ...cell, variants: Object.fromEntries(variants) };
  });
}

function planOf(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      seconds: { type: "string" },
      repetitions: { type: "string" },
    },
  });
  const { quick } = values;
  const pattern = new RegExp(values.only);
  return {
    name: quick ? "quick" : "full",
    cells: (quick ? quickCells() : CELLS).filter(({ id }) => pattern.test(id)),
    repetitions: Number(values.repetitions ?? (quick ? 3 : 5)),
    seconds: Number(values.seconds ?? (quick ? 1 : 2)),
    loadMiB: quick ? 258 : 516,
    passMiB: quick ? 126 : 1026,
    withParity: !quick && pattern.test("parity"),
  };
}

interface Group {
  readonly array: ArrayName;
  readonly place: PlaceName;
  readonly cells: readonly Cell[];
}

/** Cells by array and place; passes have larger arrays, so they are groups of their own. */
function groupsOf(cells: readonly Cell[]): Group[] {
  const groups = new Map<string, Group>();
  for (const cell of cells) {
    const { array, place, kind } = cell;
    const key = `${kind} ${array} ${place}`;
    groups.set(key, { array, place, cells: [...(groups.get(key)?.cells ?? []), cell] });
  }
  return [...groups.values()];
}

const BASES: Readonly<Record<PlaceName, string>> = { tmpfs: "/dev/shm", disk: tmpdir() };

function ratioText(cell: CellResult): string {
  const peer = peerOf(cell);
  const metric: Metric = /\/(read|write)-1m$|\/pass/.test(cell.id) ? "bytesPerSecond" : "iops";
  const ratios = Object.keys(cell.variants)
    .filter((name) => name !== peer)
    .map((name) => `${name} ${ratioOf(cell, metric, name, peer)?.toFixed(2) ?? "skipped"}`);
  return `${ratios.join(", ")} (of ${peer})`;
}

class Bench {
  readonly #plan: Plan;
  readonly #root: Readonly<Record<PlaceName, string>>;
  readonly #skipped = new Map<string, string>();
  readonly #cells: CellResult[] = [];
  #commit = "";

  constructor(plan: Plan, root: Readonly<Record<PlaceName, string>>) {
    this.#plan = plan;
    this.#root = root;
  }

  async #measureGroup(array: MadeArray, { cells }: Group, folder: string): Promise<void> {
    const { repetitions, seconds } = this.#plan;
    const bench = new LoadBench(array, folder);
    try {
      for (const cell of cells) {
        const load = loadavg()[0] ?? 0;
        const variants =
          cell.kind === "load"
            ? await bench.measure(cell, this.#skipped, { repetitions, seconds })
            : await measurePass(cell, array, repetitions);
        const at = new Date().toISOString();
        const result = { id: cell.id, at, commit: this.#commit, seconds, load, variants };
        this.#cells.push(result);
        console.log(`${cell.id.padEnd(42)} ${ratioText(result)}`);
      }
    } finally {
      await bench.close();
    }
  }

  async #runGroup(group: Group): Promise<void> {
    const { loadMiB, passMiB } = this.#plan;
    const folder = mkdtempSync(join(this.#root[group.place], `${group.array}-`));
    try {
      const sizeMiB = group.cells[0]?.kind === "pass" ? passMiB : loadMiB;
      const array = makeArray(folder, group.array, sizeMiB);
      await this.#measureGroup(array, group, folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  async run(): Promise<void> {
    this.#commit = await currentCommit();
    const problem = await ioUringProblem(this.#root.disk);
    if (problem !== null) this.#skipped.set("qemu-nbd-uring", problem);
    const idle = await idleNodeRssMiB();
    const about = {
      machine: await describeMachine(BASES),
      backend: await backendOf(),
      idleNodeRssMiB: idle,
    };
    const save = (parity: Results["parity"]): void =>
      saveResults(this.#plan.name, { ...about, cells: this.#cells, parity });
    for (const group of groupsOf(this.#plan.cells)) {
      await this.#runGroup(group);
      save([]);
    }
    if (this.#plan.withParity) save(await measureParity());
  }
}

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const plan = planOf(args);
  const root = {
    tmpfs: mkdtempSync(join(BASES.tmpfs, "holdfast-bench-")),
    disk: mkdtempSync(join(BASES.disk, "holdfast-bench-")),
  };
  const clean = (): void => {
    for (const folder of Object.values(root)) rmSync(folder, { recursive: true, force: true });
  };
  stopOnSignals(() => {
    clean();
    process.exit(1);
  });
  try {
    await preparePeers();
    await build();
    await new Bench(plan, root).run();
    await writePage();
    return 0;
  } finally {
    clean();
  }
}
