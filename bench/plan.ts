/** What a run measures, how long it takes, and how far it is. */
import { parseArgs } from "node:util";
import { CELLS } from "./cells.ts";
import type { Cell, PlaceName } from "./cells.ts";
import { needsVariant } from "./goals.ts";
import { WARM_UP_SECONDS } from "./load-cell.ts";
import type { Effort } from "./load-cell.ts";
import type { CellResult, Results, ResultsName } from "./results.ts";

export interface Plan extends Effort {
  readonly name: ResultsName;
  readonly cells: readonly Cell[];
  readonly loadMiB: number;
  readonly passMiB: number;
  readonly withParity: boolean;
  readonly withResyncs: boolean;
  /** Some cells were asked for by name: the others keep their results. */
  readonly isPartial: boolean;
  /** What the same build was measured with before is not measured again. */
  readonly isResuming: boolean;
}

/** Only what goals look at. */
function quickCells(): Cell[] {
  return CELLS.filter(({ isQuick }) => isQuick).map((cell) => {
    if (cell.kind === "pass") return cell;
    const variants = Object.entries(cell.variants).filter(([name]) => needsVariant(cell.id, name));
    return { ...cell, variants: Object.fromEntries(variants) };
  });
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} ${text} is not a number above 0.`);
}

/** @throws Error for options that make no sense */
export function planOf(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      resume: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      seconds: { type: "string" },
      repetitions: { type: "string" },
    },
  });
  const { quick, only } = values;
  const pattern = new RegExp(only);
  const cells = (quick ? quickCells() : CELLS).filter(({ id }) => pattern.test(id));
  const withParity = pattern.test("parity");
  const withResyncs = pattern.test("resync");
  if (cells.length === 0 && !withParity && !withResyncs)
    throw new Error(`--only ${only} fits no cell.`);
  return {
    name: quick ? "quick" : "full",
    cells,
    repetitions: Math.ceil(positive("repetitions", values.repetitions, quick ? 3 : 5)),
    seconds: positive("seconds", values.seconds, quick ? 0.8 : 1.5),
    loadMiB: quick ? 258 : 516,
    passMiB: quick ? 384 : 2052,
    withParity,
    withResyncs,
    isPartial: only !== "",
    isResuming: values.resume,
  };
}

/** The ids of all cells of such a run, measured or not. */
export function cellIdsOf(name: ResultsName): readonly string[] {
  return CELLS.filter(({ isQuick }) => isQuick || name === "full").map(({ id }) => id);
}

function isDone(cell: Cell, old: CellResult | undefined, plan: Plan, build: string): boolean {
  if (old === undefined || old.build !== build || old.seconds !== plan.seconds) return false;
  const wanted = cell.kind === "load" ? Object.keys(cell.variants) : [];
  const found = Object.values(old.variants);
  return (
    wanted.every((name) => name in old.variants) &&
    found.every((each) => each.kind === "skipped" || each.runs.length >= plan.repetitions)
  );
}

/** What is left to do of a plan. */
export function withoutDone(plan: Plan, old: Results, build: string): Plan {
  if (!plan.isResuming) return plan;
  const cells = plan.cells.filter(
    (cell) =>
      !isDone(
        cell,
        old.cells.find(({ id }) => id === cell.id),
        plan,
        build,
      ),
  );
  return {
    ...plan,
    cells,
    withParity: plan.withParity && old.parityBuild !== build,
    withResyncs: plan.withResyncs && old.resyncs === undefined,
  };
}

export interface Group {
  readonly array: Cell["array"];
  readonly place: PlaceName;
  readonly cells: readonly Cell[];
}

/** Cells by array and place; passes have larger arrays, so they are groups of their own. */
export function groupsOf(cells: readonly Cell[]): Group[] {
  const groups = new Map<string, Group>();
  for (const cell of cells) {
    const { array, place, kind } = cell;
    const key = `${kind} ${array} ${place}`;
    groups.set(key, { array, place, cells: [...(groups.get(key)?.cells ?? []), cell] });
  }
  return [...groups.values()];
}

/** What a machine with two processors took beside the load itself; only for the estimate. */
const FIO_START_SECONDS = 0.4;
const MAKE_SECONDS_PER_GIB = { tmpfs: 3, disk: 10 } as const;
const SERVER_SECONDS = 0.6;
/** Of all programs of a pass together, by GiB of the volume. */
const PASS_SECONDS_PER_GIB = 3;
const PASS_START_SECONDS = 1;
const PARITY_SECONDS = { quick: 12, full: 50 } as const;
const RESYNC_SECONDS = { quick: 40, full: 200 } as const;

function cellSeconds(cell: Cell, { seconds, repetitions, passMiB }: Plan): number {
  if (cell.kind === "pass") {
    return repetitions * ((passMiB / 1024) * PASS_SECONDS_PER_GIB + PASS_START_SECONDS);
  }
  return Object.keys(cell.variants).length * repetitions * (seconds + FIO_START_SECONDS);
}

function preparationSeconds({ cells, place }: Group, { loadMiB, passMiB }: Plan): number {
  const sizeMiB = cells[0]?.kind === "pass" ? passMiB : loadMiB;
  const kinds = new Map<string, number>();
  for (const cell of cells) {
    if (cell.kind === "pass") continue;
    kinds.set(cell.workload.rw, Object.keys(cell.variants).length);
  }
  const warmUps = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  const warming = warmUps * (WARM_UP_SECONDS + FIO_START_SECONDS + SERVER_SECONDS);
  return (sizeMiB / 1024) * MAKE_SECONDS_PER_GIB[place] + warming;
}

/** Seconds by cell, in their order; the first of a group pays for the array. */
export function estimate(plan: Plan): Map<string, number> {
  const costs = new Map<string, number>();
  for (const group of groupsOf(plan.cells)) {
    for (const [index, cell] of group.cells.entries()) {
      const before = index === 0 ? preparationSeconds(group, plan) : 0;
      costs.set(cell.id, before + cellSeconds(cell, plan));
    }
  }
  if (plan.withResyncs) costs.set("resync", RESYNC_SECONDS[plan.name]);
  if (plan.withParity) costs.set("parity", PARITY_SECONDS[plan.name]);
  return costs;
}

/** How much is left, by the estimate and how true it was so far. */
export class Progress {
  readonly #costs: ReadonlyMap<string, number>;
  readonly #allSeconds: number;
  #doneSeconds = 0;
  #done = 0;

  constructor(costs: ReadonlyMap<string, number>) {
    this.#costs = costs;
    this.#allSeconds = [...costs.values()].reduce((sum, cost) => sum + cost, 0);
  }

  get allSeconds(): number {
    return this.#allSeconds;
  }

  /**
   * "12/87, 41 min left".
   * @param elapsedSeconds since the first began
   */
  done(id: string, elapsedSeconds: number): string {
    this.#doneSeconds += this.#costs.get(id) ?? 0;
    this.#done += 1;
    const left = this.#allSeconds - this.#doneSeconds;
    const scale = this.#doneSeconds === 0 ? 1 : elapsedSeconds / this.#doneSeconds;
    return `${this.#done}/${this.#costs.size}, ${durationText(left * scale)} left`;
  }
}

export function durationText(seconds: number): string {
  return seconds < 100 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
