/**
 * A daemon with an array of every kind, killed with SIGKILL in the middle of everything, started again, judged, and killed again. What chance
 * decides comes from one seed; where requests meet each other in two processes does not.
 */
import type { ChildProcess } from "node:child_process";
import { watch } from "node:fs";
import { join } from "node:path";
import { ignore } from "../../src/base/nothing.ts";
import { Prng } from "../../src/base/prng.ts";
import type { ArrayView } from "../../src/md/view/array-view.ts";
import { launchHoldfastd } from "../support/holdfastd.ts";
import type { DaemonProcess } from "../support/holdfastd.ts";
import { CrashArray } from "./crash-array.ts";
import type { Era } from "./crash-array.ts";
import { SHAPES } from "./shapes.ts";

/** Requests answered between two kills, over all arrays. */
const MOST_ANSWERS = 1500;
/** Of images, seen while a daemon starts. */
const MOST_CHANGES = 150;

export interface RoundsOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly folder: string;
  /** After a kill, before anything is started again. */
  readonly onCrash?: (round: number, arrays: readonly CrashArray[]) => void;
}

/** Of how many arrays the daemon was killed while they did what. */
export type CrashFigures = Map<string, number>;

export class Rounds {
  readonly figures: CrashFigures = new Map();
  readonly #options: RoundsOptions;
  readonly #prng: Prng;
  readonly #arrays: readonly CrashArray[];
  readonly #state: string;
  #daemon: DaemonProcess | null = null;
  #lastViews: readonly ArrayView[] = [];

  constructor(options: RoundsOptions) {
    this.#options = options;
    const { seed, folder } = options;
    this.#prng = new Prng(seed);
    this.#state = join(folder, "state");
    this.#arrays = SHAPES.map(
      (shape, at) => new CrashArray(shape, new Prng(seed + 7919 * (at + 1)), folder),
    );
  }

  async run(): Promise<void> {
    try {
      for (let round = 0; round < this.#options.rounds; round += 1) await this.#round(round);
      // Not killed any more: all must be there at last.
      await this.#judge(await this.#start(Infinity), "whole");
    } finally {
      await this.#daemon?.end("SIGKILL");
    }
  }

  async #round(round: number): Promise<void> {
    const prng = this.#prng;
    if (round > 0 && prng.chance(0.3)) {
      await this.#killStarting(prng.chance(0.5) ? prng.between(1, MOST_CHANGES) : null);
      this.#crashed(round);
      return;
    }
    const isSoon = prng.chance(0.2);
    const era = await this.#start(isSoon ? prng.between(1, 40) : prng.between(41, MOST_ANSWERS));
    if (round === 0) {
      for (const array of this.#arrays) await array.create(era);
      await this.#all((array) => array.open(era));
    } else await this.#judge(era, prng.pick(["whole", "whole", "read", "not at all"] as const));
    this.#lastViews = [];
    await this.#all((array) => array.live(era));
    const { how, stderr } = await this.#daemon!.ended;
    if (how !== "SIGKILL") throw new Error(`the daemon ended with ${how}: ${stderr}`);
    this.#crashed(round);
  }

  #crashed(round: number): void {
    for (const array of this.#arrays) array.crash(this.#prng.chance(0.4));
    this.#count();
    this.#options.onCrash?.(round, this.#arrays);
  }

  /**
   * Killed while it assembles, replays logs and syncs what the last kill left.
   * @param changes so many times somebody wrote to one of the images; null: when it is ready
   */
  async #killStarting(changes: number | null): Promise<void> {
    let left = changes ?? Infinity;
    let child: ChildProcess | null = null;
    const watcher = watch(this.#options.folder, (_event, name) => {
      if (name?.endsWith(".img") !== true) return;
      left -= 1;
      if (left === 0) child?.kill("SIGKILL");
    });
    try {
      const daemon = await launchHoldfastd(["--state", this.#state], {}, (started) => {
        child = started;
      });
      this.#lastViews = [];
      if (daemon.ready !== null && left > 0) {
        const api = await daemon.client();
        this.#lastViews = await api.arrays();
        await daemon.end("SIGKILL");
      }
      await daemon.ended;
    } finally {
      watcher.close();
    }
  }

  #all(work: (array: CrashArray) => Promise<void>): Promise<unknown> {
    return Promise.all(this.#arrays.map(work));
  }

  /** "not at all": clients go on at once, while everything is still being synced. */
  async #judge(era: Era, how: "whole" | "read" | "not at all"): Promise<void> {
    await this.#all(async (array) => {
      const started = await array.startAgain(era);
      this.#add(`started ${started}`);
      await array.open(era);
      if (how !== "not at all" || array.mustSettle) await array.verify("after the start");
      if (how === "whole" || array.mustSettle) await array.becomeWhole(era, started === "by force");
    });
  }

  #add(what: string): void {
    this.figures.set(what, (this.figures.get(what) ?? 0) + 1);
  }

  #count(): void {
    for (const array of this.#arrays) {
      this.#add("killed");
      const view = this.#lastViews.find(({ kernelName }) => kernelName === array.shape.name);
      if (view === undefined) continue;
      if (view.degraded > 0) this.#add("killed degraded");
      if (view.sync === null) continue;
      const isReplacing = view.members.some(({ replacement, inSync }) => replacement && !inSync);
      this.#add(`killed during ${isReplacing ? "replacement" : view.sync.kind}`);
    }
  }

  /** @param answers after so many the daemon is killed; Infinity: never */
  async #start(answers: number): Promise<Era> {
    const daemon = await launchHoldfastd(["--state", this.#state]);
    this.#daemon = daemon;
    if (daemon.ready === null) throw new Error(`no daemon: ${(await daemon.ended).stderr}`);
    const api = await daemon.client();
    let left = answers;
    let isOver = false;
    void daemon.ended.then(() => (isOver = true));
    const look = async (): Promise<void> => {
      this.#lastViews = await api.arrays();
    };
    return {
      api,
      nbdSocket: join(this.#state, "nbd.sock"),
      isOver: () => isOver,
      answered: () => {
        left -= 1;
        // A little before: what it was doing then.
        if (left === 20) look().catch(ignore);
        if (left > 0) return;
        isOver = true;
        daemon.child.kill("SIGKILL");
      },
    };
  }
}
