/**
 * Setup: what an administrator has in mind: which mapped devices there are to be now, with which tables, which of them clients use, what disks may
 * be lost, and what must hold on the disks and at rest. One class for each kind of stack.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { Discarded } from "../clients.ts";
import type { SimDisk } from "../disk.ts";
import type { MappedAction } from "./action.ts";
import type { MappedMachine } from "./machine.ts";
import type { Volume } from "./volume.ts";

export type NamedTable = readonly [name: string, table: string];

type Word = "repair" | "convert" | "snapshot" | "drop" | "merge";

export type Administration = Extract<MappedAction, { readonly do: Word }>;

/** How often and how long what happens in the background is waited for. */
const REST_STEP_MS = 200;
const REST_STEPS = 2000;

export abstract class Setup {
  readonly machine: MappedMachine;
  /** In use, or to be used again. */
  readonly volumes: Volume[] = [];
  /** That are no more; what their clients were told counts. */
  readonly dropped: Volume[] = [];
  /** Clients may change buffers that are being written. */
  readonly sharesBuffers: boolean = false;
  /** Where data are is made durable by flushes, and every second: a process that dies has lost what was not flushed, as if it were in a cache. */
  readonly commitsLater: boolean = false;
  /** Nobody else uses the disks of a volume's device: nothing happens on them while it is suspended. */
  readonly alone: boolean = true;

  constructor(machine: MappedMachine) {
    this.machine = machine;
  }

  /** In the order in which they are made. */
  abstract tables(): readonly NamedTable[];

  /** The table that the device has, or is to have when it is loaded again. */
  tableOf(name: string): string {
    return this.tables().find(([each]) => each === name)![1];
  }

  /** When the first device is there: what others need of it. */
  prepare(): Promise<void> {
    return Promise.resolve();
  }

  /** Before anything is started: what is on the disks. @returns what is wrong with it */
  abstract judge(): Promise<string[]>;

  /** How it stands now, for `mayAil`. */
  look(): Promise<void> {
    return Promise.resolve();
  }

  /** This disk may fail now. */
  mayAil(_disk: SimDisk): boolean {
    return false;
  }

  /** In the order in which all is removed. */
  removable(): readonly string[] {
    return this.tables()
      .map(([name]) => name)
      .toReversed();
  }

  /** Devices that may be suspended and loaded again, each by itself. */
  get devices(): readonly string[] {
    return this.tables().map(([name]) => name);
  }

  /** The device may be made anew, or its table loaded again. */
  mayReload(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** Its requests end whatever becomes of it. */
  mayClose(_volume: Volume): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** Runs in turn with everything else that administrators do. */
  administer(_action: Administration): Promise<void> {
    return Promise.resolve();
  }

  /** What a discard does. */
  discarded(_volume: Volume, sector: number, _sectors: number): Discarded {
    return { from: sector, to: sector, becomes: "anything" };
  }

  /** Disks answer again: what waits for an administrator goes on. */
  release(): Promise<void> {
    return Promise.resolve();
  }

  /** Disks answer again: brings everything into order, and waits until nothing is left to be done. */
  abstract settle(): Promise<void>;

  /** All is at rest, and flushed. @returns what is wrong */
  abstract atRest(): Promise<string[]>;

  /** Asks again and again. */
  async until(what: string, is: () => Promise<boolean>): Promise<void> {
    const { world } = this.machine;
    for (let step = 0; step < REST_STEPS; step += 1) {
      if (await world.until(what, is())) return;
      await world.pass(REST_STEP_MS * 1000);
    }
    throw new HoldfastError("timeout", `${what} never ends`);
  }
}
