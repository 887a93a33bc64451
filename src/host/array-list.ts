/** The arrays of a host in the order in which they came, the names that are taken, and who wants to know of them. */
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { ArrayNames } from "./array-host.ts";
import { EventLog } from "./event-log.ts";
import type { HostedArray } from "./hosted-array.ts";
import { chooseNames, isCalled } from "./names.ts";
import type { ChosenNames } from "./names.ts";
import { eventsBetween } from "./view-events.ts";
import { viewOf } from "./view.ts";
import type { VolumeServer } from "./volume-server.ts";
import { levelText } from "../formats/md/layout-names.ts";

export class ArrayList {
  readonly events: EventLog;
  #arrays: readonly HostedArray[] = [];
  /** Of arrays that are being made. */
  readonly #reserved = new Set<ChosenNames>();
  readonly #volumes: VolumeServer;
  /** Names of volumes that clients may have. */
  readonly #served = new Map<HostedArray, string>();
  /** As it was when it was last looked at. */
  readonly #seen = new Map<HostedArray, ArrayView>();
  #isLooking = false;

  constructor({ clock, timers }: Env, volumes: VolumeServer) {
    this.#volumes = volumes;
    this.events = new EventLog(clock, timers);
  }

  get arrays(): readonly HostedArray[] {
    return this.#arrays;
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

  /** It runs, perhaps since just now: clients may have it. */
  announce(hosted: HostedArray): void {
    if (hosted.state.kind !== "running" || this.#served.has(hosted)) return;
    const name = this.#volumeName(hosted);
    const { levelNumber, shape } = hosted.plan.superblock;
    const description = `${levelText(levelNumber)} of ${shape?.raidDisks ?? 0} disks`;
    this.#volumes.appeared({ name, description, device: hosted.volume });
    this.#served.set(hosted, name);
    hosted.clients = () => this.#volumes.clientsOf(name);
  }

  /** "data" of /dev/md/data; the kernel's name where another has that. */
  #volumeName({ names }: HostedArray): string {
    const own = names.path.slice(names.path.lastIndexOf("/") + 1);
    const isTaken = [...this.#served.values()].includes(own);
    return isTaken ? names.kernelName : own;
  }

  /** No client has it any more when this resolves. */
  async withdraw(hosted: HostedArray): Promise<void> {
    const name = this.#served.get(hosted);
    if (name === undefined) return;
    await this.#volumes.gone(name);
    this.#served.delete(hosted);
  }

  remove(hosted: HostedArray): void {
    this.#arrays = this.#arrays.filter((one) => one !== hosted);
    this.changed();
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
