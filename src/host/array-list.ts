/** The arrays of a host in the order in which they came, the names that are taken, and who wants to know of them. */
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { ArrayNames } from "./array-host.ts";
import { EventLog } from "./event-log.ts";
import type { HostedArray } from "./hosted-array.ts";
import type { ArrayListener, ServedArray } from "./listener.ts";
import { chooseNames, isCalled } from "./names.ts";
import type { ChosenNames } from "./names.ts";
import { eventsBetween } from "./view-events.ts";
import { viewOf } from "./view.ts";

export class ArrayList {
  readonly events: EventLog;
  #arrays: readonly HostedArray[] = [];
  /** Of arrays that are being made. */
  readonly #reserved = new Set<ChosenNames>();
  readonly #listeners = new Set<ArrayListener>();
  readonly #served = new Map<HostedArray, ServedArray>();
  /** As it was when it was last looked at. */
  readonly #seen = new Map<HostedArray, ArrayView>();
  #isLooking = false;

  constructor({ clock, timers }: Env) {
    this.events = new EventLog(clock, timers);
  }

  get arrays(): readonly HostedArray[] {
    return this.#arrays;
  }

  /** The latest, of those that nobody uses if there is one. */
  get uppermost(): HostedArray | null {
    return this.#arrays.findLast(({ users }) => users === 0) ?? this.#arrays.at(-1) ?? null;
  }

  /** @throws HoldfastError `not-found` */
  find(array: string): HostedArray {
    const found = this.#arrays.find(({ names }) => isCalled(names, array));
    if (found === undefined) throw new HoldfastError("not-found", `there is no array ${array}`);
    return found;
  }

  /** Nobody else gets these names until `work` is done. @throws as chooseNames */
  async named<T>(
    wanted: ArrayNames,
    ownName: string | null,
    work: (names: ChosenNames) => Promise<T>,
  ): Promise<T> {
    const taken = [...this.#arrays.map(({ names }) => names), ...this.#reserved];
    const names = chooseNames(wanted, ownName, taken);
    this.#reserved.add(names);
    try {
      return await work(names);
    } finally {
      this.#reserved.delete(names);
    }
  }

  add(hosted: HostedArray): void {
    this.#arrays = [...this.#arrays, hosted];
    this.announce(hosted);
  }

  /** It runs, perhaps since just now. */
  announce(hosted: HostedArray): void {
    if (hosted.state.kind !== "running" || this.#served.has(hosted)) return;
    const { kernelName, path } = hosted.names;
    const served = { kernelName, path, volume: hosted.volume };
    this.#served.set(hosted, served);
    for (const listener of this.#listeners) listener.appeared(served);
  }

  /** Those who serve it are done with it when this resolves. */
  async withdraw(hosted: HostedArray): Promise<void> {
    const served = this.#served.get(hosted);
    if (served === undefined) return;
    this.#served.delete(hosted);
    await Promise.all([...this.#listeners].map((listener) => listener.leaving(served)));
  }

  remove(hosted: HostedArray): void {
    this.#arrays = this.#arrays.filter((one) => one !== hosted);
    this.changed();
  }

  listen(listener: ArrayListener): () => void {
    this.#listeners.add(listener);
    for (const served of this.#served.values()) listener.appeared(served);
    return () => this.#listeners.delete(listener);
  }

  /** Something may look different: what did is told as events, once for all that changes in one go. */
  changed(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    queueMicrotask(() => {
      this.#isLooking = false;
      this.#look();
    });
  }

  #look(): void {
    for (const [hosted, before] of this.#seen)
      if (!this.#arrays.includes(hosted)) {
        this.#seen.delete(hosted);
        this.events.add(eventsBetween(before, null));
      }
    for (const hosted of this.#arrays) {
      const { state } = hosted;
      // One that is stopped or exchanged just now is told of when that is done.
      const isOnTheWay = state.kind === "running" && state.managed.array.mode === "stopped";
      if (state.kind === "gone" || isOnTheWay) continue;
      const after = viewOf(hosted);
      this.events.add(eventsBetween(this.#seen.get(hosted) ?? null, after));
      this.#seen.set(hosted, after);
    }
  }
}
