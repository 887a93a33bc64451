/**
 * One array of this host: its names, the devices it holds, and whether it runs.
 *
 *   inactive  <--- enough members --->  running  ---> gone
 *
 * What is done to it is done one thing after the other (`exclusively`), so nobody adds a device to an array that is being stopped.
 */
import { HoldfastError } from "../base/errors.ts";
import { OneByOne } from "../base/one-by-one.ts";
import type { MdCandidate } from "../md/candidate.ts";
import type { AssemblyPlan } from "../md/plan.ts";
import { probeMdSuperblocks } from "../md/probe.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { Member } from "../md/running/member.ts";
import { ArrayVolume } from "./array-volume.ts";
import type { HeldDevice } from "./device-registry.ts";
import type { ChosenNames } from "./names.ts";

export type HostedState =
  /** Its members are held, and it does not run for the reason given. */
  | { readonly kind: "inactive"; readonly plan: AssemblyPlan; readonly reason: string }
  | { readonly kind: "running"; readonly plan: AssemblyPlan; readonly managed: ManagedArray }
  | { readonly kind: "gone" };

export interface SuspendedRange {
  lowSectors: number;
  highSectors: number;
}

export class HostedArray {
  readonly names: ChosenNames;
  /** Without superblocks: what is known of it is known here alone. */
  readonly isBuilt: boolean;
  state: HostedState;
  readonly suspended: SuspendedRange = { lowSectors: 0, highSectors: 0 };
  /** Of those who were let at its volume. */
  users = 0;
  #held: readonly HeldDevice[];
  #volume: ArrayVolume | null = null;
  readonly #turns = new OneByOne();

  constructor(
    names: ChosenNames,
    state: HostedState,
    held: readonly HeldDevice[],
    isBuilt = false,
  ) {
    this.names = names;
    this.state = state;
    this.#held = held;
    this.isBuilt = isBuilt;
  }

  get plan(): AssemblyPlan {
    if (this.state.kind === "gone") throw this.#gone();
    return this.state.plan;
  }

  /** @throws HoldfastError `not-found` when it is gone, `usage` while it does not run */
  get managed(): ManagedArray {
    if (this.state.kind === "gone") throw this.#gone();
    if (this.state.kind === "running") return this.state.managed;
    throw new HoldfastError("usage", `${this.names.path} does not run: ${this.state.reason}`);
  }

  #gone(): HoldfastError {
    return new HoldfastError("not-found", `${this.names.path} is stopped`);
  }

  /** Somebody has it open: it is not stopped meanwhile, except by force. @returns what ends it */
  use(): () => void {
    this.users += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.users -= 1;
    };
  }

  /** Its devices, in the order in which they came. */
  get held(): readonly HeldDevice[] {
    return this.#held;
  }

  hold(device: HeldDevice): void {
    this.#held = [...this.#held, device];
  }

  async letGo(device: HeldDevice): Promise<void> {
    this.#held = this.#held.filter((one) => one !== device);
    await device.release();
  }

  async letGoOfAll(): Promise<void> {
    const held = this.#held;
    this.#held = [];
    await Promise.all(held.map((device) => device.release()));
  }

  /** Members are labelled with the paths of their devices; what they read and write may be laid over those. */
  heldBy(member: Member): HeldDevice {
    const found = this.#held.find(({ path }) => path === member.label);
    if (found === undefined) throw new HoldfastError("not-found", `a member is not held any more`);
    return found;
  }

  memberOn({ path }: HeldDevice): Member | null {
    if (this.state.kind !== "running") return null;
    const { members } = this.state.managed.array;
    return members.attached.find(({ label }) => label === path) ?? null;
  }

  /** The superblocks of all that are held, as they are now. @param without whose devices are not looked at */
  async candidates(without: readonly Member[] = []): Promise<MdCandidate[]> {
    const looked = this.#held.filter(({ path }) => !without.some(({ label }) => label === path));
    const found = await Promise.all(looked.map(candidateOn));
    return found.filter((one) => one !== null);
  }

  /** Made with the first start; requests wait in it while it is held. */
  get volume(): ArrayVolume {
    this.#volume ??= new ArrayVolume(this.names.kernelName, this.managed.array);
    return this.#volume;
  }

  /** For what exchanges or stops the array; null: nobody ever asked for its volume. */
  get openedVolume(): ArrayVolume | null {
    return this.#volume;
  }

  /** When all that was asked for before is done. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.run(work);
  }
}

/** Null: it has no superblock to believe. */
export async function candidateOn({ path, device }: HeldDevice): Promise<MdCandidate | null> {
  const { primary } = await probeMdSuperblocks(device);
  return primary === null ? null : { path, device, superblock: primary };
}
