/** The arrays of an engine that are written to: started with one scheduler for all, told of in the figures, heard in the log. */
import { SECTOR_BYTES } from "../base/units.ts";
import type { Env } from "../env/env.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { ArrayEvent } from "../md/running/array-events.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { SyncScheduler } from "../sync/scheduler.ts";
import type { SpeedLimits } from "../sync/throttle.ts";
import type { SetStarter, StartedSet } from "../volume/open.ts";
import { startWritable } from "../volume/writable.ts";
import type { ArrayFigures, SyncProgress } from "./engine.ts";

/** Linux's speed_limit_min and speed_limit_max, where nobody has set them. */
const SYSTEM_LIMITS: SpeedLimits = { minKiBps: 1000, maxKiBps: 200_000 };

export class RunningArrays {
  readonly #env: Env;
  readonly #parityEngine: () => ParityEngine;
  readonly #scheduler = new SyncScheduler();
  readonly #arrays = new Map<string, ManagedArray>();

  constructor(env: Env, parityEngine: () => ParityEngine) {
    this.#env = env;
    this.#parityEngine = parityEngine;
  }

  readonly start: SetStarter = async (set, { notes }, plan): Promise<StartedSet> => {
    const started = await startWritable(set, {
      env: this.#env,
      plan,
      parityEngine: this.#parityEngine,
      scheduler: this.#scheduler,
      systemLimits: SYSTEM_LIMITS,
      notes,
    });
    if (!("array" in started)) return started;
    const { name, array } = started;
    this.#arrays.set(name, array);
    const forget = array.array.listen((event) => this.#heard(name, event));
    const close = async (): Promise<void> => {
      try {
        await started.close();
      } finally {
        forget();
        if (this.#arrays.get(name) === array) this.#arrays.delete(name);
      }
    };
    return { ...started, close };
  };

  #heard(name: string, event: ArrayEvent): void {
    const { log } = this.#env;
    if (event.kind === "failed")
      log.write("warning", `${name} goes on without ${event.member.label}: ${event.why.message}`);
    else if (event.kind === "broken")
      log.write("error", `${name} takes no more writes: ${event.why.message}`);
  }

  get figures(): ArrayFigures[] {
    return [...this.#arrays].map(([volume, managed]) => ({
      volume,
      state: managed.array.state,
      degradedBy: managed.array.members.degraded,
      sync: progressOf(managed),
    }));
  }
}

const NOTHING_DONE = { doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };

function progressOf({ sync }: ManagedArray): SyncProgress | null {
  const { state } = sync;
  switch (state.kind) {
    case "none":
      return null;
    case "pending":
      return { action: "resync", isDelayed: true, ...NOTHING_DONE };
    case "delayed":
      return { action: state.action, isDelayed: true, ...NOTHING_DONE };
    case "running": {
      const { sectors, max, kibPerSecond } = state.figures;
      return {
        action: state.action,
        isDelayed: false,
        doneBytes: sectors * SECTOR_BYTES,
        totalBytes: max * SECTOR_BYTES,
        bytesPerSecond: kibPerSecond * 1024,
      };
    }
  }
}
