/**
 * Law 4, exhaustively: every sequence of up to six events, and after each of them what must hold at any time and what must
 * hold in the end. The same check must find each of the ways to break the law that are listed below.
 */
import { describe, expect, it } from "vitest";
import { LifeCycle } from "./life-cycle.ts";
import type { Job, LifeCycleOptions, Turn } from "./life-cycle.ts";

const EVENTS = [
  "want",
  "freeze",
  "thaw",
  "interrupt",
  "step ends",
  "pass ends",
  "suspend",
  "resume",
  "read-only",
  "read-write",
  "stop",
] as const;
type Event = (typeof EVENTS)[number];

type Result = "finished" | "interrupted";

/** What the law is about, seen from outside. */
class Ledger {
  started = 0;
  ended = 0;
  reaped = 0;
  problems: string[] = [];

  expect(condition: boolean, what: string): void {
    if (!condition) this.problems.push(what);
  }
}

/** Needs a step to get going, one to drain when it is interrupted, and one to have its end recorded. */
class FakeJob implements Job<Result> {
  readonly #ledger: Ledger;
  #running: () => void = () => {};
  #ended: (result: Result) => void = () => {};
  #reaped: (() => void) | null = null;
  state: "new" | "registered" | "running" | "draining" | "ended" | "reaping" | "reaped" = "new";

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  start(running: () => void, ended: (result: Result) => void): void {
    this.#ledger.started += 1;
    this.#ledger.expect(
      this.#ledger.started === this.#ledger.reaped + 1,
      "one pass at a time, and the one before was reaped",
    );
    this.state = "registered";
    this.#running = running;
    this.#ended = ended;
  }

  interrupt(): void {
    const isThere = this.state === "registered" || this.state === "running";
    this.#ledger.expect(isThere, "only a pass that goes on is interrupted, and once");
    this.state = "draining";
  }

  reap(_result: Result, reaped: () => void): void {
    this.#ledger.expect(this.state === "ended", "a pass is reaped once, when it has ended");
    this.state = "reaping";
    this.#reaped = reaped;
  }

  stepEnds(): void {
    if (this.state === "registered") {
      this.state = "running";
      this.#running();
    } else if (this.state === "draining") {
      this.#end("interrupted");
    } else if (this.state === "reaping") {
      this.state = "reaped";
      this.#ledger.reaped += 1;
      this.#reaped?.();
    }
  }

  passEnds(): void {
    if (this.state === "running" || this.state === "draining") this.#end("finished");
  }

  #end(result: Result): void {
    this.state = "ended";
    this.#ledger.ended += 1;
    this.#ended(result);
  }
}

type Make = (options: LifeCycleOptions<Result>, seen: Seen) => LifeCycle<Result>;

/** What the device of the cycle is at the moment. */
interface Seen {
  isSuspended: boolean;
  isReadOnly: boolean;
}

class Model {
  readonly ledger = new Ledger();
  readonly seen: Seen = { isSuspended: false, isReadOnly: false };
  readonly cycle: LifeCycle<Result>;
  job: FakeJob | null = null;
  readonly #turns: (() => void)[] = [];
  #wants = 0;
  #wantsSeen = 0;
  #isFrozen = false;
  #isStopping = false;
  #stopsAsked = 0;
  #stopsTold = 0;

  constructor(make: Make) {
    const options: LifeCycleOptions<Result> = {
      choose: () => {
        const mayStart = !this.#isFrozen && !this.seen.isReadOnly && !this.#isStopping;
        this.ledger.expect(mayStart, "nothing starts in a frozen, read-only or stopped device");
        const isWorkLeft = this.#wantsSeen < this.#wants;
        this.#wantsSeen = this.#wants;
        if (!isWorkLeft) return null;
        this.job = new FakeJob(this.ledger);
        return this.job;
      },
      schedule: (turn) => this.#turns.push(turn),
    };
    this.cycle = make(options, this.seen);
  }

  /** @param isTurn false: the owner does not get its turn before the next event */
  apply(event: Event, isTurn = true): void {
    const { cycle, seen } = this;
    switch (event) {
      case "want":
        this.#wants += 1;
        cycle.want();
        break;
      case "freeze":
        this.#isFrozen = true;
        cycle.freeze(this.#quiet);
        break;
      case "thaw":
        this.#isFrozen = false;
        cycle.thaw();
        break;
      case "interrupt":
        cycle.interrupt(this.#quiet);
        break;
      case "step ends":
        this.job?.stepEnds();
        break;
      case "pass ends":
        this.job?.passEnds();
        break;
      case "suspend":
        seen.isSuspended = true;
        break;
      case "resume":
        seen.isSuspended = false;
        break;
      case "read-only":
        seen.isReadOnly = true;
        cycle.becomeReadOnly(this.#quiet);
        break;
      case "read-write":
        seen.isReadOnly = false;
        cycle.becomeWritable();
        break;
      case "stop":
        this.#isStopping = true;
        this.#stopsAsked += 1;
        cycle.stop(() => {
          this.#stopsTold += 1;
          this.#quiet();
        });
        break;
    }
    if (!isTurn) return;
    this.#takeTurns();
    this.#checkAlways();
  }

  /** The device's own I/O goes on ending, and nothing else happens: then it must stop. */
  checkStops(): void {
    this.apply("stop");
    this.#endIo();
    this.ledger.expect(this.#stopsTold === this.#stopsAsked, "stopping comes to an end");
    const { started, reaped } = this.ledger;
    this.ledger.expect(started === reaped, "every pass that was registered is reaped");
  }

  /** Everything that was in the way is gone: then what was wanted was looked at. */
  checkGoesOn(): void {
    for (const event of ["resume", "read-write", "thaw"] as const) this.apply(event);
    for (let round = 0; round < 4; round += 1) {
      this.#endIo();
      this.apply("pass ends");
    }
    const isForgotten = !this.#isStopping && this.#wantsSeen < this.#wants;
    this.ledger.expect(!isForgotten, "what is wanted is not forgotten");
    const { started, reaped } = this.ledger;
    this.ledger.expect(started === reaped, "every pass that was registered is reaped");
  }

  #endIo(): void {
    for (let steps = 0; steps < 4; steps += 1) this.apply("step ends");
  }

  readonly #quiet = (): void => {
    const { started, reaped } = this.ledger;
    this.ledger.expect(started === reaped, "who is told that there is no pass finds none");
  };

  #takeTurns(): void {
    for (let turn = this.#turns.shift(); turn !== undefined; turn = this.#turns.shift()) turn();
  }

  #checkAlways(): void {
    const { ledger, job, cycle } = this;
    const { started, ended, reaped } = ledger;
    ledger.expect(started - reaped <= 1 && ended <= started && reaped <= ended, "counts");
    const isDone = job?.state === "ended" || job?.state === "reaping";
    ledger.expect((cycle.phase === "done") === isDone, "what has ended is done");
    // Reaping is asked for at once, whatever state the device is in.
    ledger.expect(job?.state !== "ended", "what is done is reaped");
    const mustEnd = this.#isFrozen || this.seen.isReadOnly || this.#isStopping;
    const goesOn = job?.state === "registered" || job?.state === "running";
    ledger.expect(!(mustEnd && goesOn), "a pass is interrupted when it must not go on");
  }
}

/** @param turnEvery events between two turns of the owner */
function problemOf(make: Make, events: readonly Event[], turnEvery: number): string | null {
  for (const check of ["checkStops", "checkGoesOn"] as const) {
    const model = new Model(make);
    try {
      events.forEach((event, index) => model.apply(event, (index + 1) % turnEvery === 0));
      model[check]();
    } catch (error) {
      return `${events.join(", ")}: ${String(error)}`;
    }
    const [problem] = model.ledger.problems;
    if (problem !== undefined) return `${events.join(", ")}: ${problem}`;
  }
  return null;
}

/** The first that goes wrong among all sequences of up to `length` events, the shortest first. */
function search(
  make: Make,
  length: number,
  turnEvery = 1,
): { problem: string | null; tried: number } {
  let tried = 0;
  for (let n = 0; n <= length; n += 1) {
    for (let code = 0; code < EVENTS.length ** n; code += 1) {
      const events: Event[] = [];
      for (let rest = code; events.length < n; rest = Math.floor(rest / EVENTS.length))
        events.push(EVENTS[rest % EVENTS.length]!);
      tried += 1;
      const problem = problemOf(make, events, turnEvery);
      if (problem !== null) return { problem, tried };
    }
  }
  return { problem: null, tried };
}

describe("the life cycle of background sync", () => {
  it("holds for all sequences of up to six events", { timeout: 600_000 }, () => {
    const { problem, tried } = search((options) => new LifeCycle(options), 6);
    expect(problem).toBeNull();
    expect(tried).toBe((EVENTS.length ** 7 - 1) / (EVENTS.length - 1));
  });

  it("holds however many events come before the owner's turn", () => {
    for (const turnEvery of [2, 3, 4])
      expect(search((options) => new LifeCycle(options), 4, turnEvery).problem).toBeNull();
  });

  const noJob: Job<Result> = { start: () => {}, interrupt: () => {}, reap: () => {} };
  /** Jobs that are told something else than what the cycle says. */
  function withJobs(
    options: LifeCycleOptions<Result>,
    change: (job: Job<Result>) => Partial<Job<Result>>,
  ): LifeCycleOptions<Result> {
    return {
      ...options,
      choose: () => {
        const job = options.choose();
        if (job === null) return null;
        const whole: Job<Result> = {
          start: (running, ended) => job.start(running, ended),
          interrupt: () => job.interrupt(),
          reap: (result, reaped) => job.reap(result, reaped),
        };
        return Object.assign({ ...noJob }, whole, change(job));
      },
    };
  }

  class Skipping extends LifeCycle<Result> {
    readonly #skips: () => boolean;

    constructor(options: LifeCycleOptions<Result>, skips: () => boolean) {
      super(options);
      this.#skips = skips;
    }

    protected override decide(): Turn {
      return this.#skips() ? "wait" : super.decide();
    }
  }

  class Instead extends LifeCycle<Result> {
    readonly #instead: (turn: Turn) => Turn;

    constructor(options: LifeCycleOptions<Result>, instead: (turn: Turn) => Turn) {
      super(options);
      this.#instead = instead;
    }

    protected override decide(): Turn {
      return this.#instead(super.decide());
    }
  }

  class Forgetful extends LifeCycle<Result> {
    override want(): void {
      if (!this.isFrozen) super.want();
    }
  }

  class ReapedFromTheSide extends LifeCycle<Result> {
    readonly #job: () => Job<Result> | null;

    constructor(options: LifeCycleOptions<Result>, job: () => Job<Result> | null) {
      super(options);
      this.#job = job;
    }

    override interrupt(quiet?: () => void): void {
      super.interrupt(quiet);
      if (this.phase === "running") this.#job()?.reap("interrupted", () => {});
    }
  }

  class StartedFromTheSide extends LifeCycle<Result> {
    readonly #options: LifeCycleOptions<Result>;

    constructor(options: LifeCycleOptions<Result>) {
      super(options);
      this.#options = options;
    }

    override thaw(): void {
      super.thaw();
      this.#options.choose()?.start(
        () => {},
        () => {},
      );
    }
  }

  const broken: Record<string, Make> = {
    "skips suspended devices": (options, seen) => new Skipping(options, () => seen.isSuspended),
    "skips read-only devices": (options, seen) => new Skipping(options, () => seen.isReadOnly),
    "skips frozen devices": (options) => {
      const cycle: LifeCycle<Result> = new Skipping(options, () => cycle.isFrozen);
      return cycle;
    },
    "never says that an interrupted pass is done": (options) =>
      new LifeCycle(
        withJobs(options, (job) => ({
          start: (running, ended) =>
            job.start(running, (result) => {
              if (result === "finished") ended(result);
            }),
        })),
      ),
    "does not reap interrupted passes": (options) =>
      new LifeCycle(
        withJobs(options, (job) => ({
          reap: (result, reaped) => {
            if (result === "finished") job.reap(result, reaped);
          },
        })),
      ),
    "reaps twice": (options) =>
      new LifeCycle(
        withJobs(options, (job) => ({
          reap: (result, reaped) => {
            job.reap(result, reaped);
            job.reap(result, reaped);
          },
        })),
      ),
    "reaps before the pass has ended": (options) =>
      new LifeCycle(
        withJobs(options, (job) => ({
          start: (running, ended) => job.start(running, ended),
          interrupt: () => job.reap("interrupted", () => {}),
        })),
      ),
    "reaps from the side": (options) => {
      let current: Job<Result> | null = null;
      const choose = (): Job<Result> | null => (current = options.choose());
      return new ReapedFromTheSide({ ...options, choose }, () => current);
    },
    "starts from the side": (options) => new StartedFromTheSide(options),
    "never interrupts": (options) =>
      new Instead(options, (turn) => (turn === "interrupt" ? "wait" : turn)),
    "never reaps": (options) => new Instead(options, (turn) => (turn === "reap" ? "wait" : turn)),
    "forgets what is wanted of a frozen device": (options) => new Forgetful(options),
  };

  for (const [name, make] of Object.entries(broken)) {
    it(`is seen to be broken when it ${name}`, () => {
      expect(search(make, 4).problem).not.toBeNull();
    });
  }
});
