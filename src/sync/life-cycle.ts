/**
 * LifeCycle: law 4 of docs/ARCHITECTURE.md as a state machine. A device has one, and it is the one owner of the device's background sync.
 *
 *                 the owner's turn       the job says so       the job says so
 *   idle, wanted  --------------->  registered  ------->  running  ------->  done
 *     ^                                 |                                    ^ |
 *     |                                 +------ interrupted before it ran ---+ |
 *     +------------ reaped: what was done is recorded, in the owner's turn ----+
 *
 * - All that anybody else does is to ask: want, interrupt, freeze, stop and so on set a flag and ask for a turn. In its turn the owner
 *   starts, interrupts and reaps; nobody does from the side.
 * - Finished, interrupted and failed passes are done alike, and whoever is done is reaped: in suspended, frozen and read-only devices
 *   like in others. In those that are frozen or read-only nothing is started; what is wanted waits.
 * - After a reap the owner looks again: there may be more to do.
 * - Stopping waits for the job, and the job for its own I/O only.
 */
import { assert } from "../base/assert.ts";
import { ignore } from "../base/nothing.ts";

/** A pass, with all that is to be done before and after it. */
export interface Job<Result> {
  /**
   * Gets it going: `running` when what precedes the first step is done, `ended` once, with or without `running` before. Both may come
   * before this returns.
   */
  start(running: () => void, ended: (result: Result) => void): void;
  /** `ended` is to come soon, and must not wait for any I/O but the job's own. Called at most once, after `start`. */
  interrupt(): void;
  /** Records what was done; `reaped` once, when that is durable or can never be. */
  reap(result: Result, reaped: () => void): void;
}

export interface LifeCycleOptions<Result> {
  /** What is to be done next; null: nothing. */
  choose(): Job<Result> | null;
  /** Calls `turn` soon, and not before it returns. */
  schedule(turn: () => void): void;
}

export type Phase = "idle" | "wanted" | "registered" | "running" | "done";

export type Turn = "reap" | "interrupt" | "start" | "wait";

interface Pass<Result> {
  readonly job: Job<Result>;
  phase: "registered" | "running" | "done";
  result: Result | null;
  interruption: "no" | "asked" | "told";
  isReaping: boolean;
}

export class LifeCycle<Result> {
  readonly #options: LifeCycleOptions<Result>;
  #pass: Pass<Result> | null = null;
  #isWanted = false;
  #isFrozen = false;
  #isReadOnly = false;
  #isStopping = false;
  #isScheduled = false;
  /** Told as soon as there is no pass. */
  #waiting: (() => void)[] = [];
  /** Told as soon as nothing is left to be done. */
  #waitingForRest: (() => void)[] = [];

  constructor(options: LifeCycleOptions<Result>) {
    this.#options = options;
  }

  get phase(): Phase {
    if (this.#pass !== null) return this.#pass.phase;
    return this.#isWanted ? "wanted" : "idle";
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** No pass is there, and none is about to start; where none may start, what is wanted does not count. */
  get isAtRest(): boolean {
    return this.#pass === null && this.decide() !== "start";
  }

  /** Calls `atRest` as soon as it is, perhaps at once. */
  whenAtRest(atRest: () => void): void {
    if (this.isAtRest) atRest();
    else this.#waitingForRest.push(atRest);
  }

  /** There may be something to do. */
  want(): void {
    this.#isWanted = true;
    this.#wake();
  }

  /** The pass, if there is one, ends early; what is still to be done then starts again. @param quiet called when there is none */
  interrupt(quiet: () => void = ignore): void {
    this.#askToEnd(quiet);
  }

  /** As `interrupt`, and nothing starts until `thaw`. */
  freeze(quiet: () => void = ignore): void {
    this.#isFrozen = true;
    this.#askToEnd(quiet);
  }

  thaw(): void {
    this.#isFrozen = false;
    this.#wake();
  }

  /** As `freeze`, until `becomeWritable`. */
  becomeReadOnly(quiet: () => void = ignore): void {
    this.#isReadOnly = true;
    this.#askToEnd(quiet);
  }

  becomeWritable(): void {
    this.#isReadOnly = false;
    this.#wake();
  }

  /** For good. @param stopped called when the last pass is reaped */
  stop(stopped: () => void): void {
    this.#isStopping = true;
    this.#askToEnd(stopped);
  }

  /** What the owner does in this turn. */
  protected decide(): Turn {
    const pass = this.#pass;
    if (pass !== null) {
      if (pass.phase === "done") return pass.isReaping ? "wait" : "reap";
      return pass.interruption === "asked" ? "interrupt" : "wait";
    }
    return this.#isWanted && !this.#isFrozen && !this.#isReadOnly && !this.#isStopping
      ? "start"
      : "wait";
  }

  #askToEnd(quiet: () => void): void {
    this.#waiting.push(quiet);
    if (this.#pass?.interruption === "no") this.#pass.interruption = "asked";
    this.#wake();
  }

  #wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.schedule(() => {
      this.#isScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#pass === null) this.#tellQuiet();
    switch (this.decide()) {
      case "start":
        this.#start();
        break;
      case "interrupt":
        this.#pass!.interruption = "told";
        this.#pass!.job.interrupt();
        break;
      case "reap":
        this.#reap(this.#pass!);
        break;
      case "wait":
        break;
    }
    if (this.isAtRest) tell(this.#waitingForRest.splice(0));
  }

  #start(): void {
    // Before the choice: whoever wants something from here on may have come too late for it.
    this.#isWanted = false;
    const job = this.#options.choose();
    if (job === null) return;
    assert(this.#pass === null, "one pass at a time");
    const pass: Pass<Result> = {
      job,
      phase: "registered",
      result: null,
      interruption: "no",
      isReaping: false,
    };
    this.#pass = pass;
    job.start(
      () => {
        assert(pass.phase === "registered", "a pass runs once");
        pass.phase = "running";
      },
      (result) => {
        assert(pass.phase !== "done", "a pass ends once");
        pass.phase = "done";
        pass.result = result;
        this.#wake();
      },
    );
  }

  #reap(pass: Pass<Result>): void {
    pass.isReaping = true;
    pass.job.reap(pass.result!, () => {
      assert(this.#pass === pass, "a pass is reaped once");
      this.#pass = null;
      this.#isWanted = true;
      this.#tellQuiet();
      this.#wake();
    });
  }

  #tellQuiet(): void {
    tell(this.#waiting.splice(0));
  }
}

function tell(waiting: readonly (() => void)[]): void {
  for (const each of waiting) each();
}
