/**
 * Keeps the state file as the arrays and mapped devices are: what runs, and what is listed but could not be started ("dormant"), until it is stopped by name.
 * What superblocks tell they tell better; of an array without any the file says all there is to know (built.ts).
 *
 *   listed --- assembled --> running --- stopped --> forgotten
 *     |                                                 ^
 *     +--- cannot be started --> dormant --- stopped ---+
 */
import { toHoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { AssemblyMode, BuildCall } from "../host/array-host.ts";
import type { Host } from "../host/host-call.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import { buildAgain, isBuilt, listedBuild, settledBuild, unsettled, whyNotBuilt } from "./built.ts";
import { MappedList } from "./mapped-list.ts";
import { loadState, saveState } from "./state-file.ts";
import type { ListedArray, ListedMapped } from "./state-file.ts";
import { startOrder } from "./start-order.ts";

interface Dormant {
  readonly listed: ListedArray;
  /** A sentence. */
  readonly why: string;
}

/** A device that is about to join an array. */
interface Expected {
  readonly array: string;
  readonly device: string;
}

export class StateKeeper {
  readonly #env: Env;
  readonly #folder: string;
  readonly #host: Host;
  readonly #mapped: MappedList;
  #dormant: readonly Dormant[] = [];
  #saved: string | null = null;
  #listed: readonly ListedArray[] = [];
  #listedMapped: readonly ListedMapped[] = [];
  /** How those that run without superblocks were built, by kernel name. */
  readonly #builds = new Map<string, BuildCall>();
  #saving: Promise<void> = Promise.resolve();
  #saveProblem: string | null = null;
  #isFrozen = false;
  readonly #expected = new Set<Expected>();

  constructor(env: Env, folder: string, host: Host) {
    this.#env = env;
    this.#folder = folder;
    this.#host = host;
    this.#mapped = new MappedList(host);
  }

  /** A sentence for everything that is not as it should be. */
  get problems(): readonly string[] {
    const dormant = [...this.#dormant.map(({ why }) => why), ...this.#mapped.problems];
    return this.#saveProblem === null ? dormant : [...dormant, this.#saveProblem];
  }

  /** Starts what the file lists; what cannot be started stays listed. @throws what loadState throws */
  async restore(): Promise<void> {
    const { arrays: all, mapped } = await loadState(this.#env, this.#folder);
    // 1 what is about to be built is not known to be whole any more, 2 it is built, and written to. A crash between costs building it by hand.
    const begun = all.map(unsettled);
    if (begun.some((one, at) => one !== all[at]))
      await saveState(this.#env, this.#folder, { arrays: begun, mapped });
    const starts = startOrder([
      ...all.map((listed) => ({
        names: [listed.path, `/dev/${listed.kernelName}`],
        standsOn: listed.devices,
        start: () => this.#startListed(listed),
      })),
      ...mapped.map((listed) => ({
        names: [`/dev/mapper/${listed.name}`, `/dev/dm-${listed.minor}`],
        standsOn: listed.standsOn,
        start: () => this.#mapped.start(listed),
      })),
    ]);
    for (const { start } of starts) {
      const why = await start();
      if (why !== null) this.#env.log.write("warning", why);
    }
    await this.record();
  }

  async #startListed(listed: ListedArray): Promise<string | null> {
    const why = await this.#start(listed);
    if (why !== null) this.#dormant = [...this.#dormant, { listed, why }];
    return why;
  }

  /** Null when it runs, else why not. */
  async #start(listed: ListedArray): Promise<string | null> {
    const { kernelName, path, devices, mode, build } = listed;
    const unknown = whyNotBuilt(listed);
    if (unknown !== null) return unknown;
    try {
      if (build !== undefined) {
        this.#builds.set(kernelName, await buildAgain(this.#host, listed, build));
        return null;
      }
      const outcome = await this.#host.assemble({
        names: { kernelName, path },
        devices,
        mode,
        force: false,
        run: false,
        noDegraded: false,
        update: null,
      });
      return outcome.kind === "started" ? null : `${path} was not started: ${outcome.reason}`;
    } catch (error) {
      return `${path} was not started: ${toHoldfastError(error).message}`;
    }
  }

  /** Brings the file up to date; what cannot be saved is a problem, and no error of whoever changed something. */
  record(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#record());
    return this.#saving;
  }

  async #record(): Promise<void> {
    if (this.#isFrozen) return;
    try {
      const views = await this.#host.arrays();
      this.#dormant = this.#dormant.filter(({ listed }) => !isAmong(listed, views));
      const running = views.map((view) => this.#listedAs(view));
      const arrays = [...running, ...this.#dormant.map(({ listed }) => listed)];
      const mapped = await this.#mapped.listed();
      const text = JSON.stringify([arrays, mapped]);
      // Stopping began while the host was asked: what it said may be half the truth.
      if (this.#isFrozen || text === this.#saved) return;
      await saveState(this.#env, this.#folder, { arrays, mapped });
      this.#saved = text;
      this.#listed = arrays;
      this.#listedMapped = mapped;
      this.#saveProblem = null;
    } catch (error) {
      const { message } = toHoldfastError(error);
      this.#saveProblem = `What runs could not be written down, and a restart would not know of it: ${message}`;
      this.#env.log.write("error", this.#saveProblem);
    }
  }

  #listedAs(view: ArrayView): ListedArray {
    const listed = listedAs(view, this.#expectedBy(view));
    const call = isBuilt(view) ? this.#builds.get(view.kernelName) : undefined;
    return call === undefined ? listed : { ...listed, build: listedBuild(call, view) };
  }

  /** An array without superblocks runs. */
  built(kernelName: string, call: BuildCall): void {
    this.#builds.set(kernelName, call);
  }

  /**
   * Writes down who of the arrays without superblocks was whole at their end. The order: 1 no more writes, 2 who has missed none, in the file: a
   * crash between leaves them to be built by hand. What cannot be said stays unsaid.
   * @param ended arrays as they were when nothing was written to them any more
   */
  async settle(ended: readonly ArrayView[]): Promise<void> {
    const last = new Map(ended.filter(isBuilt).map((view) => [view.kernelName, view]));
    if (last.size === 0) return;
    const arrays = this.#listed.map((one): ListedArray => {
      const view = last.get(one.kernelName);
      const { build } = one;
      return view === undefined || build === undefined
        ? one
        : { ...one, build: settledBuild(build, view) };
    });
    await saveState(this.#env, this.#folder, { arrays, mapped: this.#listedMapped });
  }

  /**
   * Lists a device before it joins: superblocks count on it before whoever has it join is answered, and after a crash in between the array
   * would lack it. @returns what to call when it has joined, or has not
   */
  async expect(expected: Expected): Promise<() => void> {
    this.#expected.add(expected);
    await this.record();
    return () => void this.#expected.delete(expected);
  }

  #expectedBy(view: ArrayView): string[] {
    const isMeant = ({ array }: Expected): boolean => isCalled(view, array);
    return [...this.#expected].filter(isMeant).map(({ device }) => device);
  }

  /** Nothing is recorded from now on: arrays that are stopped now are to run again. */
  async freeze(): Promise<void> {
    this.#isFrozen = true;
    await this.#saving;
  }

  /** As `forget`, for a mapped device. */
  async forgetMapped(device: string): Promise<boolean> {
    if (!this.#mapped.forget(device)) return false;
    await this.record();
    return true;
  }

  /** Takes an array that does not run off the list. False: there is none of that name. */
  async forget(array: string): Promise<boolean> {
    const left = this.#dormant.filter(({ listed }) => !isCalled(listed, array));
    if (left.length === this.#dormant.length) return false;
    this.#dormant = left;
    await this.record();
    return true;
  }
}

function isCalled(
  { path, kernelName }: Pick<ListedArray, "path" | "kernelName">,
  name: string,
): boolean {
  return path === name || kernelName === name.replace(/^\/dev\//, "");
}

/** An inactive array that holds its devices is listed by its view as well. */
function isAmong(listed: ListedArray, views: readonly ArrayView[]): boolean {
  return views.some(
    ({ uuid, path, state }) =>
      (path === listed.path || (uuid !== null && uuid === listed.uuid)) && state !== "inactive",
  );
}

/**
 * Those that have failed too, until they are removed: what is seen here may not be in the superblocks yet, and a crash between would leave a
 * list that lacks a member with which the array last ran. Assembly leaves out those of which the others know.
 */
function listedAs(
  { kernelName, path, uuid, state, members }: ArrayView,
  expected: readonly string[],
): ListedArray {
  const held = members.flatMap((member) => (member.path === null ? [] : [member.path]));
  // Behind those that are there: the first tells which array it is.
  const devices = [...new Set([...held, ...expected])];
  return { kernelName, path, uuid, mode: modeOf(state), devices };
}

function modeOf(state: ArrayView["state"]): AssemblyMode {
  switch (state) {
    case "readonly":
      return "read-only";
    case "read-auto":
      return "read-auto";
    case "clear":
    case "inactive":
    case "clean":
    case "active":
    case "write-pending":
    case "active-idle":
    case "broken":
      return "read-write";
  }
}
