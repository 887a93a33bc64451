/** What can be set for an array's background sync: sync_min, sync_max, sync_speed_min, sync_speed_max, sync_force_parallel. */
import { HoldfastError } from "../../base/errors.ts";
import { alignDown } from "../../base/units.ts";
import type { SpeedLimits } from "../../sync/throttle.ts";

export interface SyncSettingsOptions {
  readonly systemLimits: SpeedLimits;
  /** What sync_max must be a multiple of; 0: of nothing. */
  readonly chunkSectors: number;
  readonly isRunning: () => boolean;
  /** The upper bound or who waits for whom. */
  readonly changed: () => void;
}

/** A limit of the array's own, or null: the system's. KiB a second. */
class ArrayLimits implements SpeedLimits {
  readonly #system: SpeedLimits;
  ownMin: number | null = null;
  ownMax: number | null = null;

  constructor(system: SpeedLimits) {
    this.#system = system;
  }

  get minKiBps(): number {
    return this.ownMin ?? this.#system.minKiBps;
  }

  get maxKiBps(): number {
    return this.ownMax ?? this.#system.maxKiBps;
  }
}

export class SyncSettings {
  readonly #options: SyncSettingsOptions;
  readonly #limits: ArrayLimits;
  #min = 0;
  #max = Infinity;
  #forceParallel = false;

  constructor(options: SyncSettingsOptions) {
    this.#options = options;
    this.#limits = new ArrayLimits(options.systemLimits);
  }

  /** Live. */
  get limits(): SpeedLimits {
    return this.#limits;
  }

  get isSpeedMinLocal(): boolean {
    return this.#limits.ownMin !== null;
  }

  get isSpeedMaxLocal(): boolean {
    return this.#limits.ownMax !== null;
  }

  /** @param value KiB a second; null: as the system says. @throws HoldfastError usage */
  setSpeedMin(value: number | null): void {
    this.#limits.ownMin = checkedSpeed(value);
  }

  /** @param value KiB a second; null: as the system says. @throws HoldfastError usage */
  setSpeedMax(value: number | null): void {
    this.#limits.ownMax = checkedSpeed(value);
  }

  /** Where the next check or repair starts, sectors. */
  get min(): number {
    return this.#min;
  }

  /** Rounded down to 4 KiB. @throws HoldfastError usage, busy */
  setMin(sector: number): void {
    checkSector(sector, "sync_min");
    if (sector > this.#max) throw new HoldfastError("usage", "sync_min lies above sync_max");
    if (this.#options.isRunning())
      throw new HoldfastError("busy", "sync_min cannot be changed while a sync is running");
    this.#min = alignDown(sector, 8);
  }

  /** Where a pass holds, sectors; Infinity: nowhere. */
  get max(): number {
    return this.#max;
  }

  /** @throws HoldfastError usage, busy */
  setMax(sector: number): void {
    const { chunkSectors, isRunning, changed } = this.#options;
    if (sector !== Infinity) checkSector(sector, "sync_max");
    if (sector < this.#min) throw new HoldfastError("usage", "sync_max lies below sync_min");
    if (sector < this.#max && isRunning())
      throw new HoldfastError("busy", "sync_max cannot be lowered while a sync is running");
    if (sector !== Infinity && chunkSectors > 0 && sector % chunkSectors !== 0)
      throw new HoldfastError("usage", `sync_max is no multiple of ${chunkSectors} sectors`);
    this.#max = sector;
    changed();
  }

  get forceParallel(): boolean {
    return this.#forceParallel;
  }

  set forceParallel(value: boolean) {
    this.#forceParallel = value;
    this.#options.changed();
  }

  /** @param byRequest it was asked for, and kept to sync_min */
  passFinished(byRequest: boolean): void {
    if (byRequest) this.#min = 0;
    this.#max = Infinity;
  }

  /** What was asked for goes on there when it is asked for again. */
  passInterrupted(sector: number): void {
    this.#min = sector;
  }
}

function checkedSpeed(value: number | null): number | null {
  if (value !== null && !(Number.isSafeInteger(value) && value > 0))
    throw new HoldfastError("usage", "a speed is a number of KiB a second above 0");
  return value;
}

function checkSector(sector: number, what: string): void {
  if (!Number.isSafeInteger(sector) || sector < 0)
    throw new HoldfastError("usage", `${what} is a number of sectors`);
}
