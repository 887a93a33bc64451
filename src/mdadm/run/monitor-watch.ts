/**
 * What there is to tell of the arrays from one look to the next: new and vanished ones, those found degraded, how far rebuilds are. What
 * happens in between (failures, spares that became active, rebuilds that began or ended) the host's events tell.
 */
import type { HostEvent } from "../../host/array-host.ts";
import { levelText } from "../../formats/md/layout-names.ts";
import { isRedundant } from "../../md/view/array-view.ts";
import type { ArrayView } from "../../md/view/array-view.ts";
import { permilleOf } from "../../md/view/mdstat-text.ts";
import type { ArrayLine } from "../config.ts";
import { sameDeviceName } from "../config-match.ts";
import type { Alert } from "./monitor-alert.ts";

export interface WatchOptions {
  /** By name; null: all there are. */
  readonly named: readonly string[] | null;
  readonly lines: readonly ArrayLine[];
  readonly incrementPercent: number;
  /** Say of each array once that this is a test. */
  readonly test: boolean;
}

interface Watched {
  /** Steps of the increment that were told. */
  steps: number;
  isGone: boolean;
  /** By which it is known in events. */
  readonly name: string;
}

function isCalled({ kernelName, path }: ArrayView, name: string): boolean {
  return (
    sameDeviceName(path, name) || sameDeviceName(kernelName, name) || name === `/dev/${kernelName}`
  );
}

/** The ARRAY line of a running array. */
export function lineOf(lines: readonly ArrayLine[], view: ArrayView): ArrayLine | undefined {
  return lines.find(
    ({ uuid, device }) =>
      (uuid !== null && uuid === view.uuid) || (device !== null && isCalled(view, device)),
  );
}

export function sparesOf({ members }: ArrayView): ArrayView["members"] {
  return members.filter(({ slot, faulty, journal }) => slot === null && !faulty && !journal);
}

/** Of the events of the host those that are told as they are. */
const PLAIN = new Set(["Fail", "FailSpare", "SpareActive", "RebuildStarted"]);

export class Watch {
  readonly #options: WatchOptions;
  readonly #watched = new Map<string, Watched>();
  #isFirst = true;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Arrays that are watched, of all there are. */
  mine(views: readonly ArrayView[]): ArrayView[] {
    const { named } = this.#options;
    return named === null
      ? [...views]
      : views.filter((view) => named.some((name) => isCalled(view, name)));
  }

  hasRedundancy(views: readonly ArrayView[]): boolean {
    return this.mine(views).some(({ level }) => isRedundant(level));
  }

  /** @param views all there are now */
  look(views: readonly ArrayView[]): Alert[] {
    const alerts: Alert[] = [];
    const mine = this.mine(views);
    for (const view of mine) alerts.push(...this.#seen(view));
    for (const [key, watched] of this.#watched)
      if (!watched.isGone && !mine.some(({ kernelName }) => kernelName === key)) {
        watched.isGone = true;
        alerts.push({ event: "DeviceDisappeared", array: watched.name, about: null });
      }
    if (this.#isFirst) alerts.push(...this.#neverThere(mine));
    this.#isFirst = false;
    return alerts;
  }

  #neverThere(mine: readonly ArrayView[]): Alert[] {
    const { named, test } = this.#options;
    const absent = (named ?? []).filter((name) => !mine.some((view) => isCalled(view, name)));
    return absent.flatMap((array) => [
      ...(test ? [{ event: "TestMessage", array, about: null }] : []),
      { event: "DeviceDisappeared", array, about: null },
    ]);
  }

  #seen(view: ArrayView): Alert[] {
    const known = this.#watched.get(view.kernelName);
    if (known !== undefined && !known.isGone) return this.#progress(view, known);
    const { named, test } = this.#options;
    const array = view.path;
    this.#watched.set(view.kernelName, { steps: 0, isGone: false, name: array });
    const alerts: Alert[] = [];
    if (test) alerts.push({ event: "TestMessage", array, about: null });
    if (!isRedundant(view.level)) {
      if (named !== null) alerts.push({ event: "DeviceDisappeared", array, about: " Wrong-Level" });
      return alerts;
    }
    if (!this.#isFirst && named === null) alerts.push({ event: "NewArray", array, about: null });
    return [...alerts, ...this.#condition(view)];
  }

  /** Told only when an array is first seen. */
  #condition(view: ArrayView): Alert[] {
    const array = view.path;
    const alerts: Alert[] = [];
    if (view.degraded > 0) alerts.push({ event: "DegradedArray", array, about: null });
    const wanted = lineOf(this.#options.lines, view)?.spareDisks ?? 0;
    if (sparesOf(view).length < wanted) alerts.push({ event: "SparesMissing", array, about: null });
    return alerts;
  }

  #progress(view: ArrayView, watched: Watched): Alert[] {
    const { sync } = view;
    if (sync?.phase !== "running") {
      watched.steps = 0;
      return [];
    }
    const percent = Math.floor(permilleOf(sync.doneSectors, sync.totalSectors) / 10);
    const steps = Math.floor(percent / this.#options.incrementPercent);
    if (steps <= watched.steps) return [];
    watched.steps = steps;
    return [{ event: `Rebuild${String(percent).padStart(2, "0")}`, array: view.path, about: null }];
  }

  /** @param views all there are now */
  happened(events: readonly HostEvent[], views: readonly ArrayView[]): Alert[] {
    const mine = this.mine(views);
    return events.flatMap(({ kind, array, device }) => {
      const view = mine.find((each) => isCalled(each, array));
      if (view === undefined) return [];
      if (PLAIN.has(kind)) return [{ event: kind, array: view.path, about: device }];
      return kind === "RebuildFinished"
        ? [{ event: kind, array: view.path, about: mismatchText(view) }]
        : [];
    });
  }
}

function mismatchText({ mismatchSectors, level }: ArrayView): string | null {
  if (mismatchSectors === 0) return null;
  return ` mismatches found: ${mismatchSectors} (on ${levelText(level)})`;
}
