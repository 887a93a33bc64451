/**
 * Files through a ring. What the page cache can do at once is done at once, in the call; what would wait goes through the ring.
 *
 *   read   preadv2(RWF_NOWAIT) --EAGAIN or short--> ring        where the file system refuses RWF_NOWAIT (tmpfs):
 *          large, and few of them are on their way: ring, by a thread of the kernel
 *   write  pwrite, timed: a slow file's go through the ring     pread, timed like writes
 *          large: ring
 *          parts: pwritev, timed; a slow file's one by one
 *   flush  ring
 *   write that is durable when it ends: ring, RWF_DSYNC. A flush instead would have all that was ever written wait for the disk.
 *
 * Buffered writes have no form that does not wait, and through the ring they cost a hand-over to a kernel thread each. That is less than
 * the copying where they are large: then another processor copies, and this one goes on. So it is with large reads; but the kernel has one
 * thread for all of them while none waits for a disk, so most are still done here.
 * Transfers are pooled; short ones are continued. Everything else of a file is env/node's.
 */
import { availableParallelism } from "node:os";
import { ignore } from "../../base/nothing.ts";
import type { Clock } from "../env.ts";
import type { Files } from "../files.ts";
import { Pace } from "../pace.ts";
import type { ThreadSwitches } from "../pace.ts";
import { DescriptorFile, MAX_TRANSFER_BYTES } from "../node/descriptor-file.ts";
import { openFile } from "../node/files.ts";
import { Errno, FSYNC_DATASYNC, Op, RWF_DSYNC, RWF_NOWAIT, SQE_ASYNC } from "./abi.ts";
import { systemError } from "./errors.ts";
import { Iovec, MAX_BUFFERS } from "./iovec.ts";
import { makeBlocking } from "./kernel.ts";
import type { RingLoop } from "./loop.ts";
import { Operation } from "./operation.ts";
import type { Completed } from "./operation.ts";
import { threadSwitches } from "./thread-switches.ts";

type ReadDone = (error: Error | null, bytes: number) => void;

/** What a ring does for a file. */
interface Work {
  readonly opcode: number;
  readonly flags: number;
  readonly opFlags: number;
}

const READ: Work = { opcode: Op.read, flags: 0, opFlags: 0 };
const READ_AWAY: Work = { opcode: Op.read, flags: SQE_ASYNC, opFlags: 0 };
const WRITE: Work = { opcode: Op.write, flags: 0, opFlags: 0 };
const WRITE_DURABLY: Work = { opcode: Op.write, flags: 0, opFlags: RWF_DSYNC };
const FLUSH: Work = { opcode: Op.fsync, flags: 0, opFlags: FSYNC_DATASYNC };

/** Copying so much takes about as long as handing it over, 10 to 20 us. */
const LARGE_WRITE_BYTES = 64 * 1024;
/** Copying so much takes ten times as long. */
const LARGE_READ_BYTES = 256 * 1024;
/** One that is copied, and one that the thread finds when it is done. */
const MAX_READS_AWAY = 2;
const IS_ALONE = availableParallelism() === 1;

const MAX_SPARE_TRANSFERS = 1024;
const NOTHING = new Uint8Array(0);

/** What all files of one ring share. */
class FileSpace {
  readonly loop: RingLoop;
  readonly clock: Clock;
  readonly #spare: Transfer[] = [];
  readonly #iovec: Iovec;
  readonly switches: ThreadSwitches;
  /** Large reads that a thread of the kernel does, or is to do. */
  readsAway = 0;

  constructor(loop: RingLoop, clock: Clock) {
    this.loop = loop;
    this.clock = clock;
    this.#iovec = new Iovec(loop.system);
    this.switches = threadSwitches(loop.system);
  }

  transfer(): Transfer {
    return this.#spare.pop() ?? new Transfer(this);
  }

  giveBack(transfer: Transfer): void {
    if (this.#spare.length < MAX_SPARE_TRANSFERS) this.#spare.push(transfer);
  }

  /** Bytes written, or an errno with its sign changed. */
  writeParts(descriptor: number, parts: readonly Uint8Array[], offset: number): number {
    this.#iovec.setAll(this.loop.system, parts);
    return this.loop.system.pwritev(descriptor, this.#iovec.address, parts.length, offset);
  }

  /** Bytes read without waiting, or an errno with its sign changed. */
  readNoWait(descriptor: number, address: number, length: number, offset: number): number {
    this.#iovec.set(0, address, length);
    return this.loop.system.preadv2(descriptor, this.#iovec.address, 1, offset, RWF_NOWAIT);
  }
}

/** The part of a read, a write or a flush that goes through the ring. */
class Transfer implements Completed {
  readonly #space: FileSpace;
  readonly #operation = new Operation(this);
  #file: RingFile | null = null;
  #work = READ;
  #data: Uint8Array = NOTHING;
  #filled = 0;
  #offset = 0;
  #done: ReadDone = ignore;

  constructor(space: FileSpace) {
    this.#space = space;
  }

  /** @param filled bytes of `data` that are through already */
  begin(
    file: RingFile,
    work: Work,
    data: Uint8Array,
    filled: number,
    offset: number,
    done: ReadDone,
  ): void {
    this.#file = file;
    this.#work = work;
    this.#data = data;
    this.#filled = filled;
    this.#offset = offset;
    this.#done = done;
    this.#operation.opcode = work.opcode;
    this.#operation.flags = work.flags;
    this.#operation.opFlags = work.opFlags;
    this.#operation.descriptor = file.number;
    this.#space.loop.hold();
    this.#next();
  }

  #next(): void {
    const operation = this.#operation;
    const isFlush = this.#work === FLUSH;
    const left = this.#data.length - this.#filled;
    operation.length = Math.min(MAX_TRANSFER_BYTES, left);
    operation.address = isFlush ? 0 : this.#space.loop.system.addressOf(this.#data) + this.#filled;
    operation.offset = isFlush ? 0 : this.#offset + this.#filled;
    operation.keeps = this.#data;
    if (this.#work === READ_AWAY) this.#space.loop.startNow(operation);
    else this.#space.loop.start(operation);
  }

  completed(_operation: Operation, result: number): void {
    if (result === -Errno.EINTR || result === -Errno.EAGAIN) {
      this.#next();
      return;
    }
    if (result > 0) this.#filled += result;
    if (result > 0 && this.#filled < this.#data.length) {
      this.#next();
      return;
    }
    const done = this.#done;
    const file = this.#file!;
    const filled = this.#filled;
    const offset = this.#offset;
    this.#file = null;
    this.#data = NOTHING;
    this.#done = ignore;
    const work = this.#work;
    this.#space.giveBack(this);
    this.#space.loop.release();
    file.transferred(work, result, offset + filled, filled, done);
  }
}

class RingFile extends DescriptorFile {
  readonly #space: FileSpace;
  readonly #readPace: Pace;
  readonly #writePace: Pace;
  /** Refused by the file system: found out with the first read. */
  #knowsNoWait = true;
  #inFlight = 0;
  readonly #draining: (() => void)[] = [];

  constructor(space: FileSpace, path: string, descriptor: number, sizeBytes: number) {
    super(path, descriptor, sizeBytes);
    this.#space = space;
    this.#readPace = new Pace(space.clock, space.switches);
    this.#writePace = new Pace(space.clock, space.switches);
    // It was opened so that opening does not wait; in a ring the flag would turn waiting into an error.
    makeBlocking(space.loop.system, descriptor);
  }

  get number(): number {
    return this.descriptor;
  }

  read(data: Uint8Array, offsetBytes: number, done: ReadDone): void {
    const space = this.#space;
    if (!IS_ALONE && data.length >= LARGE_READ_BYTES && space.readsAway < MAX_READS_AWAY) {
      this.#through(READ_AWAY, data, 0, offsetBytes, done);
      return;
    }
    const result = data.length === 0 ? 0 : this.#readNow(data, offsetBytes);
    if (result === data.length) this.#ended(done, result);
    else this.#through(READ, data, Math.max(0, result), offsetBytes, done);
  }

  /** What can be read at once; the rest, and the reason, are the ring's to find. */
  #readNow(data: Uint8Array, offsetBytes: number): number {
    const space = this.#space;
    const length = Math.min(MAX_TRANSFER_BYTES, data.length);
    const address = space.loop.system.addressOf(data);
    if (this.#knowsNoWait) {
      const result = space.readNoWait(this.descriptor, address, length, offsetBytes);
      if (result !== -Errno.EOPNOTSUPP) return result;
      this.#knowsNoWait = false;
    }
    if (!this.#readPace.begin()) return 0;
    const result = space.loop.system.pread(this.descriptor, address, length, offsetBytes);
    this.#readPace.ended(length);
    return result;
  }

  write(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void {
    const space = this.#space;
    let result = 0;
    const isSmall = IS_ALONE || data.length < LARGE_WRITE_BYTES;
    if (data.length > 0 && isSmall && this.#writePace.begin()) {
      const address = space.loop.system.addressOf(data);
      const length = Math.min(MAX_TRANSFER_BYTES, data.length);
      result = space.loop.system.pwrite(this.descriptor, address, length, offsetBytes);
      this.#writePace.ended(length);
    }
    if (result === data.length) {
      if (result > 0) this.grown(offsetBytes + result);
      this.#ended(done, result);
    } else this.#through(WRITE, data, Math.max(0, result), offsetBytes, done);
  }

  /** What was written in part is written again as a whole: that is rare. */
  override writeParts(
    parts: readonly Uint8Array[],
    offsetBytes: number,
    done: (error: Error | null) => void,
  ): void {
    const bytes = parts.reduce((sum, { length }) => sum + length, 0);
    let result = -1;
    if (parts.length <= MAX_BUFFERS && bytes <= MAX_TRANSFER_BYTES && this.#writePace.begin()) {
      result = this.#space.writeParts(this.descriptor, parts, offsetBytes);
      this.#writePace.ended(bytes);
    }
    if (result !== bytes) return super.writeParts(parts, offsetBytes, done);
    this.grown(offsetBytes + bytes);
    this.#ended(done, bytes);
  }

  writeDurably(data: Uint8Array, offsetBytes: number, done: (error: Error | null) => void): void {
    this.#through(WRITE_DURABLY, data, 0, offsetBytes, done);
  }

  /** Waits for what is in flight: a descriptor that is closed may soon be another file's. */
  override async close(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#draining.push(resolve));
    await super.close();
  }

  flush(done: (error: Error | null) => void): void {
    this.#through(FLUSH, NOTHING, 0, 0, done);
  }

  /** Before the call returns, unless too many such calls are nested. */
  #ended(done: ReadDone, bytes: number): void {
    const { loop } = this.#space;
    if (!loop.nest()) {
      loop.defer(() => done(null, bytes));
      return;
    }
    try {
      done(null, bytes);
    } finally {
      loop.unnest();
    }
  }

  #through(
    work: Work,
    data: Uint8Array,
    filled: number,
    offsetBytes: number,
    done: ReadDone,
  ): void {
    if (this.#space.loop.ring.isClosed) {
      done(this.failed(systemError("io_uring", Errno.ECANCELED), "using it", offsetBytes), 0);
      return;
    }
    this.#inFlight += 1;
    if (work === READ_AWAY) this.#space.readsAway += 1;
    this.#space.transfer().begin(this, work, data, filled, offsetBytes, done);
  }

  /** The ring is done. @param end where it stopped */
  transferred(work: Work, result: number, end: number, bytes: number, done: ReadDone): void {
    this.#inFlight -= 1;
    if (work === READ_AWAY) this.#space.readsAway -= 1;
    if (this.#inFlight === 0 && this.#draining.length > 0)
      for (const drained of this.#draining.splice(0)) drained();
    if (work === FLUSH) {
      done(this.flushed(result < 0 ? systemError("fdatasync", -result) : null), 0);
    } else if (work === WRITE_DURABLY && result < 0) {
      done(this.flushed(systemError("write", -result)), bytes);
    } else if (work === READ || work === READ_AWAY) {
      if (result < 0) done(this.failed(systemError("read", -result), "reading", end), bytes);
      else done(null, bytes);
    } else if (result < 0) done(this.failed(systemError("write", -result), "writing", end), bytes);
    else if (result === 0) done(this.endOfDevice(end), bytes);
    else {
      this.grown(end);
      done(null, bytes);
    }
  }
}

/** @param base for everything but open files */
export function ringFiles(loop: RingLoop, clock: Clock, base: Files): Files {
  const space = new FileSpace(loop, clock);
  const make = (path: string, descriptor: number, sizeBytes: number): RingFile =>
    new RingFile(space, path, descriptor, sizeBytes);
  return { ...base, open: (path, mode) => openFile(path, mode, make) };
}
