/**
 * One io_uring: two queues shared with the kernel, and a table of what is in flight.
 *
 *   start(operation) -> slot -> submission queue --enter--> kernel
 *   operation.owner.completed <- slot <- completion queue <----+
 *
 * Nothing is allocated for a request: operations belong to their owners, and the table's index and a generation travel
 * through the kernel as user data. Words of 32 bits only: addresses and offsets are split, BigInt would be slow.
 * Bounded: a full submission queue is submitted first; without a free slot operations wait in order. There are not more
 * slots than places in the completion queue.
 *
 * The thread that makes the ring is the one that uses it. Without SQPOLL the kernel looks at the submission queue
 * only inside `enter`, so its words need no barriers.
 */
import {
  CQE_MORE,
  CQ_EVENTFD_DISABLED,
  Cqe,
  EnterFlag,
  Errno,
  Feature,
  GETEVENTS_ARG,
  Op,
  Params,
  Probe,
  REGISTER_EVENTFD,
  SQ_TASKRUN,
  SUBMISSIONS_OFFSET,
  SetupFlag,
  Sqe,
  Syscall,
} from "./abi.ts";
import { mapShared } from "./kernel.ts";
import type { Kernel } from "./kernel.ts";
import type { Operation } from "./operation.ts";

const SUBMISSIONS = 512;
const SLOTS = 16_384;
const TWO_32 = 0x1_0000_0000;
/** No operation: the completion of a cancellation. */
const NO_SLOT = -1;

const NEEDED_FEATURES = Feature.singleMmap | Feature.noDrop | Feature.fastPoll | Feature.extArg;

/** From the cheapest for us to what all kernels know. */
const SHY = SetupFlag.submitAll | SetupFlag.coopTaskrun | SetupFlag.taskrunFlag;
const SETUPS = [SHY | SetupFlag.singleIssuer | SetupFlag.deferTaskrun, SHY, 0];

interface Opened {
  readonly descriptor: number;
  readonly params: Int32Array;
}

export interface RingOptions {
  /** Most requests in flight; a power of two. */
  readonly slots?: number;
}

/** Or why there can be none, as part of a sentence. */
export function openRing(system: Kernel, options: RingOptions = {}): Ring | string {
  const opened = setUp(system, options.slots ?? SLOTS);
  if (typeof opened === "string") return opened;
  const { descriptor, params } = opened;
  const missing = missingParts(system, descriptor, params[Params.features]!);
  if (missing !== null) {
    system.close(descriptor);
    return missing;
  }
  try {
    return new Ring(system, descriptor, params);
  } catch (error) {
    system.close(descriptor);
    return error instanceof Error ? error.message : String(error);
  }
}

function setUp(system: Kernel, slots: number): Opened | string {
  let error = 0;
  for (const flags of SETUPS) {
    const params = new Int32Array(Params.words);
    params[Params.flags] = flags | SetupFlag.cqSize | SetupFlag.clamp;
    params[Params.cqEntries] = slots;
    const entries = Math.min(SUBMISSIONS, slots);
    const address = system.addressOf(new Uint8Array(params.buffer));
    const descriptor = system.setup(Syscall.setup, entries, address);
    if (descriptor >= 0) return { descriptor, params };
    error = -descriptor;
    if (error !== Errno.EINVAL) break;
  }
  return `io_uring_setup fails with errno ${error}: the kernel has none, or this container or user may not use it`;
}

function missingParts(system: Kernel, descriptor: number, features: number): string | null {
  if ((features & NEEDED_FEATURES) !== NEEDED_FEATURES)
    return "the kernel's io_uring is older than that of Linux 5.11";
  const probe = new Uint8Array(Probe.headBytes + Probe.maxOps * Probe.bytesPerOp);
  const address = system.addressOf(probe);
  const result = system.register(
    Syscall.register,
    descriptor,
    Probe.register,
    address,
    Probe.maxOps,
  );
  if (result < 0) return `the kernel does not tell what its io_uring can do (errno ${-result})`;
  const missing = Object.entries(Op).filter(([, op]) => {
    const flags = probe[Probe.headBytes + op * Probe.bytesPerOp + Probe.flagsAt]!;
    return (flags & Probe.isSupported) === 0;
  });
  if (missing.length === 0) return null;
  return `the kernel's io_uring has no ${missing.map(([name]) => name).join(", ")}`;
}

function mapped(system: Kernel, descriptor: number, lengthBytes: number, offset: number): number {
  const address = mapShared(system, descriptor, lengthBytes, offset);
  if (address < 0) throw new Error(`the ring cannot be mapped (errno ${-address})`);
  return address;
}

export class Ring {
  readonly descriptor: number;
  readonly slots: number;
  readonly #system: Kernel;
  readonly #mappings: (readonly [address: number, lengthBytes: number])[] = [];
  readonly #ring: Int32Array;
  readonly #submissions: Int32Array;
  readonly #sqEntries: number;
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqMask: number;
  readonly #sqFlags: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqMask: number;
  readonly #cqes: number;
  readonly #cqFlags: number;
  readonly #flying: (Operation | null)[];
  readonly #generations: Int32Array;
  readonly #freeSlots: Int32Array;
  #freeCount: number;
  readonly #waiting: Operation[] = [];
  /** Operations that end without the kernel, with their results. */
  readonly #given: Operation[] = [];
  /** Found the submission queue full. */
  readonly #toCancel: Operation[] = [];
  readonly #wait = new Uint8Array(GETEVENTS_ARG.bytes);
  readonly #waitTime = new Int32Array(4);
  readonly #waitAddress: number;
  #isClosed = false;

  constructor(system: Kernel, descriptor: number, params: Int32Array) {
    this.#system = system;
    this.descriptor = descriptor;
    const sqEntries = params[Params.sqEntries]!;
    const cqEntries = params[Params.cqEntries]!;
    const cqesAt = params[Params.cqEntriesAt]!;
    const arrayAt = params[Params.sqArray]!;
    const ringBytes = Math.max(arrayAt + 4 * sqEntries, cqesAt + 4 * Cqe.words * cqEntries);
    this.#ring = this.#map(ringBytes, 0);
    this.#submissions = this.#map(4 * Sqe.words * sqEntries, SUBMISSIONS_OFFSET);
    this.#sqEntries = sqEntries;
    this.#sqHead = params[Params.sqHead]! / 4;
    this.#sqTail = params[Params.sqTail]! / 4;
    this.#sqMask = this.#ring[params[Params.sqMask]! / 4]!;
    this.#sqFlags = params[Params.sqFlags]! / 4;
    this.#cqHead = params[Params.cqHead]! / 4;
    this.#cqTail = params[Params.cqTail]! / 4;
    this.#cqMask = this.#ring[params[Params.cqMask]! / 4]!;
    this.#cqes = cqesAt / 4;
    this.#cqFlags = params[Params.cqFlags]! / 4;
    // Place n of the queue is always submission n.
    for (let i = 0; i < sqEntries; i += 1) this.#ring[arrayAt / 4 + i] = i;

    this.slots = cqEntries;
    this.#flying = Array.from({ length: cqEntries }, () => null);
    this.#generations = new Int32Array(cqEntries);
    this.#freeSlots = Int32Array.from({ length: cqEntries }, (_, i) => cqEntries - 1 - i);
    this.#freeCount = cqEntries;
    this.#waitAddress = system.addressOf(this.#wait);
    const time = BigInt(system.addressOf(new Uint8Array(this.#waitTime.buffer)));
    new DataView(this.#wait.buffer).setBigUint64(GETEVENTS_ARG.timespecAddress, time, true);
  }

  /** Operations that have not completed. */
  get busy(): number {
    return this.slots - this.#freeCount + this.#waiting.length + this.#given.length;
  }

  /** Written and not yet seen by the kernel. */
  get unsubmitted(): number {
    return (this.#ring[this.#sqTail]! - this.#ring[this.#sqHead]!) >>> 0;
  }

  /** Whether `reap` has something to do without asking the kernel. */
  get hasCompletions(): boolean {
    return this.#given.length > 0 || this.#ready > 0;
  }

  /** Something has happened, as far as can be seen without asking the kernel: a turn of `submitAndWait` and `reap` is worth while. */
  get isStirring(): boolean {
    return this.hasCompletions || (Atomics.load(this.#ring, this.#sqFlags) & SQ_TASKRUN) !== 0;
  }

  get #ready(): number {
    return (Atomics.load(this.#ring, this.#cqTail) - this.#ring[this.#cqHead]!) >>> 0;
  }

  /** Hands an idle operation over; its owner is told by a later `reap`. */
  start(operation: Operation): void {
    if (operation.state !== "idle") throw new Error("an operation is started once at a time");
    if (this.#isClosed) throw new Error("nothing is started on a closed ring");
    operation.state = "waiting";
    if (this.#waiting.length > 0 || !this.#send(operation)) this.#waiting.push(operation);
  }

  /** Makes an operation complete soon: as canceled, or as what it had got to. */
  cancel(operation: Operation): void {
    if (operation.state === "idle") return;
    const waits = this.#waiting.indexOf(operation);
    if (waits >= 0) {
      this.#waiting.splice(waits, 1);
      this.#given.push(operation);
      return;
    }
    if (operation.slot < 0) return;
    const at = this.#nextSubmission();
    if (at < 0) {
      this.#toCancel.push(operation);
      return;
    }
    const words = this.#submissions;
    words.fill(0, at, at + Sqe.words);
    words[at + Sqe.opcode] = Op.asyncCancel;
    words[at + Sqe.descriptor] = -1;
    words[at + Sqe.addressLow] = operation.slot;
    words[at + Sqe.addressHigh] = this.#generations[operation.slot]!;
    words[at + Sqe.userDataLow] = NO_SLOT;
    this.#published();
  }

  /**
   * Submits what was written. With `timeoutMs` above 0 it then blocks until something completes, at most so long;
   * with 0 it only lets the kernel finish what is ready.
   */
  submitAndWait(timeoutMs: number): void {
    const waits = timeoutMs > 0 && !this.hasCompletions;
    if (waits) {
      const seconds = Math.floor(timeoutMs / 1000);
      this.#waitTime[0] = seconds;
      this.#waitTime[2] = Math.round((timeoutMs - seconds * 1000) * 1e6);
    }
    const flags = EnterFlag.getEvents | (waits ? EnterFlag.extArg : 0);
    const argument = waits ? this.#waitAddress : 0;
    const argumentBytes = waits ? GETEVENTS_ARG.bytes : 0;
    this.#enter(waits ? 1 : 0, flags, argument, argumentBytes);
  }

  /** Tells the owners of what has completed; returns how many completions there were. */
  reap(): number {
    let count = 0;
    const ring = this.#ring;
    for (let left = this.#ready; left > 0; left -= 1) {
      const head = ring[this.#cqHead]!;
      const at = this.#cqes + (head & this.#cqMask) * Cqe.words;
      const slot = ring[at + Cqe.userDataLow]!;
      const result = ring[at + Cqe.result]!;
      const flags = ring[at + Cqe.flags]!;
      Atomics.store(ring, this.#cqHead, (head + 1) | 0);
      count += 1;
      if (slot !== NO_SLOT) this.#complete(slot, result, flags);
    }
    for (let left = this.#given.length; left > 0; left -= 1) {
      const operation = this.#given.shift()!;
      operation.state = "idle";
      operation.keeps = null;
      count += 1;
      operation.owner.completed(operation, -Errno.ECANCELED, 0);
    }
    if (this.#toCancel.length > 0)
      for (const operation of this.#toCancel.splice(0)) this.cancel(operation);
    while (this.#waiting.length > 0 && this.#send(this.#waiting[0]!)) this.#waiting.shift();
    return count;
  }

  /**
   * Has an eventfd counted up when there may be something to reap. Watching the ring's own descriptor would not tell of
   * completions that wait for this thread to run them. Returns an errno with its sign changed when it cannot.
   */
  signalTo(eventDescriptor: number): number {
    const argument = new Uint8Array(Int32Array.of(eventDescriptor).buffer);
    const address = this.#system.addressOf(argument);
    return this.#system.register(Syscall.register, this.descriptor, REGISTER_EVENTFD, address, 1);
  }

  /** Turned off while nobody waits for them: each costs a wake-up. What came before they were on again gave none. */
  setSignals(areOn: boolean): void {
    Atomics.store(this.#ring, this.#cqFlags, areOn ? 0 : CQ_EVENTFD_DISABLED);
  }

  /** Gives everything back. Only when nothing is busy: the kernel may still write to what is. */
  close(): void {
    if (this.#isClosed) return;
    if (this.busy > 0) throw new Error(`a ring with ${this.busy} operations is not closed`);
    this.#isClosed = true;
    for (const [address, lengthBytes] of this.#mappings) this.#system.munmap(address, lengthBytes);
    this.#system.close(this.descriptor);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  #map(lengthBytes: number, offset: number): Int32Array {
    const address = mapped(this.#system, this.descriptor, lengthBytes, offset);
    this.#mappings.push([address, lengthBytes]);
    return new Int32Array(this.#system.view(address, lengthBytes));
  }

  #complete(slot: number, result: number, flags: number): void {
    const operation = this.#flying[slot]!;
    if ((flags & CQE_MORE) === 0) {
      this.#flying[slot] = null;
      this.#generations[slot] = (this.#generations[slot]! + 1) | 0;
      this.#freeSlots[this.#freeCount] = slot;
      this.#freeCount += 1;
      operation.slot = -1;
      operation.state = "idle";
      operation.keeps = null;
    }
    operation.owner.completed(operation, result, flags);
  }

  /** False: no room. */
  #send(operation: Operation): boolean {
    if (this.#freeCount === 0) return false;
    const at = this.#nextSubmission();
    if (at < 0) return false;
    this.#freeCount -= 1;
    const slot = this.#freeSlots[this.#freeCount]!;
    this.#flying[slot] = operation;
    operation.slot = slot;
    operation.state = "flying";
    const words = this.#submissions;
    const { address, offset } = operation;
    words[at + Sqe.opcode] = operation.opcode | (operation.flags << 8) | (operation.ioprio << 16);
    words[at + Sqe.descriptor] = operation.descriptor;
    words[at + Sqe.offsetLow] = offset;
    words[at + Sqe.offsetHigh] = offset / TWO_32;
    words[at + Sqe.addressLow] = address;
    words[at + Sqe.addressHigh] = address / TWO_32;
    words[at + Sqe.length] = operation.length;
    words[at + Sqe.opFlags] = operation.opFlags;
    words[at + Sqe.userDataLow] = slot;
    words[at + Sqe.userDataHigh] = this.#generations[slot]!;
    for (let i = Sqe.userDataHigh + 1; i < Sqe.words; i += 1) words[at + i] = 0;
    this.#published();
    return true;
  }

  /** Where the next submission is written; -1 if the queue stays full. */
  #nextSubmission(): number {
    if (this.unsubmitted >= this.#sqEntries) {
      this.#enter(0, 0, 0, 0);
      if (this.unsubmitted >= this.#sqEntries) return -1;
    }
    return (this.#ring[this.#sqTail]! & this.#sqMask) * Sqe.words;
  }

  #published(): void {
    this.#ring[this.#sqTail] = (this.#ring[this.#sqTail]! + 1) | 0;
  }

  #enter(waitFor: number, flags: number, argument: number, argumentBytes: number): void {
    const result = this.#system.enter(
      Syscall.enter,
      this.descriptor,
      this.unsubmitted,
      waitFor,
      flags,
      argument,
      argumentBytes,
    );
    // Interrupted, nothing came in time, or no memory or no room for completions now: a later turn tries again.
    if (result >= 0 || PASSING_ERRORS.has(-result)) return;
    throw new Error(`io_uring_enter failed with errno ${-result}`);
  }
}

const PASSING_ERRORS: ReadonlySet<number> = new Set([
  Errno.EINTR,
  Errno.ETIME,
  Errno.EAGAIN,
  Errno.EBUSY,
]);
