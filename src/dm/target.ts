/**
 * Target: what serves a range of sectors of a mapped device, and its type, which makes one out of the words of a table line. One
 * folder each in targets/; targets/index.ts lists them.
 *
 *   construct ----> preresume, resume ----> presuspend .. drained .. postsuspend ----> preresume ... ----> close
 *   (inactive)      (live)                  (suspended)
 */
import { HoldfastError } from "../base/errors.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, Extent } from "../block/device.ts";
import type { Env } from "../env/env.ts";
import type { ParityEngine } from "../parity/engine.ts";
import type { SyncScheduler } from "../sync/scheduler.ts";
import type { MappedDevice } from "./mapped-device.ts";
import type { Words } from "./words.ts";

export interface TargetType {
  /** "linear". */
  readonly name: string;
  /** As the kernel announces it: major, minor, patch level. */
  readonly version: readonly [number, number, number];
  /** It is the only line of its table. */
  readonly isSingleton: boolean;
  /** No other target may take its place in a live table, but error. */
  readonly isImmutable?: true;
  /**
   * Makes a target of a table that is being loaded; it gets no bios before `resume`. What it writes to its devices, if anything, is what
   * the kernel's writes at this point.
   * @throws HoldfastError `usage` for words, naming the one that is wrong; `bad-metadata`, `busy`, `not-found`, `io` as they come. Devices
   * that were opened by then are closed by the caller.
   */
  construct(context: TargetContext, words: Words): Promise<Target>;
}

export interface TargetContext {
  readonly env: Env;
  readonly parityEngine: () => ParityEngine;
  readonly scheduler: SyncScheduler;
  /** Of the mapped device, for messages: it may get another. */
  readonly name: string;
  /** The mapped device, to be told from others. */
  readonly owner: object;
  /** Of the target. */
  readonly sectors: number;
  /** The table is loaded for reading only: nothing may be written, metadata included. */
  readonly isReadOnly: boolean;
  /**
   * Opens a device named in the table: a path, a URI, a mapped device by name, path or number. It stays open as long as the target.
   * @param mode a device that is only ever read may be one that cannot be written
   */
  open(word: string, mode?: "read-write" | "read-only"): Promise<TargetDevice>;
  /** Something that whoever waits for an event wants to know: status has changed. */
  event(): void;
  /**
   * Asks whoever has the mapped device open, and may change buffers while they are written, to write down what they keep. False: not while
   * the device is suspended, or about to be. Nobody is waited for when nobody is like that.
   */
  syncUsers(): Promise<boolean>;
  /** What targets of several mapped devices share, by key: the snapshots of an origin. Made when it is first asked for, and kept. */
  shared<T extends object>(key: string, make: () => T): T;
}

export interface TargetDevice {
  readonly device: BlockDevice;
  /** How `table` and `status` name it: "254:3" for a mapped device, "8:16" for a block device, else its path; a table takes all of them. */
  readonly id: string;
  /** The same for all ways to name the device. */
  readonly key: string;
  /** If it is one. */
  readonly mapped: MappedDevice | null;
}

/** `noflush`: bios that the target holds are given back (GIVEN_BACK) instead of waited for. */
export type SuspendKind = "flush" | "noflush";

export interface TargetLimits {
  readonly logicalBlockBytes: number;
  readonly optimalIoBytes: number;
  readonly discard: boolean;
  readonly writeZeroes: boolean;
}

/**
 * Where a bio goes, of a target that does nothing else with it. Nothing is allocated for it: the core sends the bio there as its own, so
 * that a target that only says where costs no more than that.
 */
export interface Route {
  deviceAt(sector: number): BlockDevice;
  /** On that device. */
  sectorAt(sector: number): number;
  /** A bio that was sent there has failed. */
  failed?(sector: number, error: HoldfastError): void;
}

export interface Target {
  readonly limits: TargetLimits;
  /** No bio crosses a multiple of this; 0: they may be as long as they like. */
  readonly splitSectors: number;
  /** Of discards, where it is another. */
  readonly discardSplitSectors?: number;
  /** In the order of the table. */
  readonly devices: readonly TargetDevice[];
  /** Sectors count from the target's start. A bio has no preflush; a flush is of all that the target's devices have. */
  submit(bio: Bio): void;
  /** Of reads and writes, which may go there instead of to `submit`. */
  readonly route?: Route;
  extents(sector: number, sectors: number, maxExtents: number): Extent[];
  /** The line of `dmsetup status` behind the target's name; "": nothing. @param flushes false: what is not committed is not counted */
  status(flushes: boolean): string | Promise<string>;
  /** The line of `dmsetup table` behind the target's name, which makes the same target again. */
  table(): string;
  /** @returns the answer; null: none. @throws HoldfastError `usage` for words that it does not know */
  message?(words: readonly string[]): Promise<string | null>;
  /** New bios are held back from now on; what works in the background stops, and what waits for somebody is let go. */
  presuspend?(kind: SuspendKind): void;
  /** No bio is under way: metadata is made durable. */
  postsuspend?(): Promise<void>;
  /** @throws HoldfastError: the device stays suspended */
  preresume?(): Promise<void>;
  resume?(): void;
  /** It is suspended, or never was resumed. Its devices are closed by its table. */
  close(): Promise<void>;
}

/** With this a target ends a bio in a noflush suspend: nothing has happened to it, and it comes again when the device is resumed. */
export const GIVEN_BACK = new HoldfastError("busy", "The device is being suspended.");
