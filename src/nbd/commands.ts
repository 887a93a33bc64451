/**
 * The commands, from an admitted request to the reply in the output. `start` gives the request to the device, which calls
 * `request.done` once; `answer` puts the reply together. What is lent to the device is the request's `data`.
 */
import type { HoldfastError } from "../base/errors.ts";
import { unreachable } from "../base/assert.ts";
import { BioFlags } from "../block/bio.ts";
import type { BioEnd } from "../block/bio.ts";
import type { ByteExtent } from "../block/bytes.ts";
import { fanOut, inSequence } from "../block/fan-out.ts";
import { Command, CommandFlag, NbdErrno } from "../formats/nbd/constants.ts";
import {
  ALLOCATION_CONTEXT_ID,
  MAX_FILTER_BYTES,
  allocationOf,
  parseStatusFilter,
  statusRuns,
} from "./block-status.ts";
import { bufferCost } from "./buffers.ts";
import { refusalOf } from "./checks.ts";
import type { RequestRules } from "./checks.ts";
import { errnoOf } from "./errors.ts";
import type { ServerContext } from "./phase.ts";
import type { Output } from "./output.ts";
import { Replies } from "./replies.ts";
import type { NbdRequest, Refusal } from "./request.ts";

/** Shorter reads are sent as data without asking for holes: the question costs more than the bytes. */
const HOLE_LOOKUP_BYTES = 32768;
const MAX_RUNS_PER_READ = 256;
/** What CACHE reads at a time, to have it in the page cache. */
const CACHE_STEP_BYTES = 1024 * 1024;
/** Zeroing without the device's help is done in steps, so that it ends soon after its client has gone. */
const ZERO_STEP_BYTES = 64 * 1024 * 1024;

const NO_SUCH_IDS: Refusal = {
  errno: NbdErrno.EINVAL,
  message: "The payload does not name the metadata contexts of this connection.",
};

function isUnaligned(request: NbdRequest): boolean {
  return request.offset % 512 !== 0 || request.length % 512 !== 0;
}

export class Commands {
  readonly rules: RequestRules;
  readonly #server: ServerContext;
  readonly #output: Output;
  readonly #replies: Replies;
  isClosed = false;

  constructor(rules: RequestRules, server: ServerContext, output: Output) {
    this.rules = rules;
    this.#server = server;
    this.#output = output;
    this.#replies = new Replies(output, rules.mode);
  }

  /** Sets `refusal` where there is a reason. */
  check(request: NbdRequest, isStopping: boolean): void {
    request.refusal = refusalOf(request, this.rules, isStopping);
    const { type, flags, payloadBytes } = request;
    const isFilter = type === Command.blockStatus && (flags & CommandFlag.payloadLen) !== 0;
    // Even an empty payload has to go: without one the length would be that of a range.
    if (isFilter && (payloadBytes === 0 || payloadBytes > MAX_FILTER_BYTES))
      request.refusal ??= NO_SUCH_IDS;
  }

  /** Bytes of memory the request will hold. Unaligned ones are copied once more on their way. */
  costOf(request: NbdRequest): number {
    const { type, length } = request;
    if (request.refusal !== null || (length === 0 && request.payloadBytes === 0)) return 0;
    const copies = isUnaligned(request) ? 2 : 1;
    if (type === Command.read || type === Command.write) return copies * bufferCost(length);
    if (type === Command.cache) return copies * bufferCost(Math.min(length, CACHE_STEP_BYTES));
    if (type === Command.blockStatus)
      return bufferCost(request.payloadBytes) + this.#maxRuns(request) * 16;
    return 0;
  }

  /** Gives the request to the device. False: it needs none, `answer` it at once. */
  start(request: NbdRequest): boolean {
    const { type, flags, offset, length } = request;
    const { bytes } = this.rules.exported;
    const isFua = (flags & CommandFlag.fua) !== 0;
    if (request.refusal !== null || type === Command.blockStatus) return false;
    if (type === Command.flush) {
      bytes.flush(request.done);
      return true;
    }
    if (length === 0) return false;
    if (type === Command.read) this.#read(request);
    else if (type === Command.write)
      bytes.write(offset, request.data!, isFua ? BioFlags.fua : BioFlags.none, request.done);
    else if (type === Command.trim)
      bytes.discard(offset, length, isFua ? this.#thenFlush(request.done) : request.done);
    else if (type === Command.cache) this.#cache(request);
    else this.#writeZeroes(request);
    return true;
  }

  /** Puts the reply into the output and gives up the request's memory, or leaves that to the output. */
  answer(request: NbdRequest, error: HoldfastError | null): void {
    const { stats } = this.#server;
    const refusal = request.refusal;
    stats.requests += 1;
    if (refusal !== null || error !== null) {
      stats.failed += 1;
      if (refusal !== null) this.#replies.error(request, refusal.errno, refusal.message);
      else this.#fail(request, error!);
    } else if (request.type === Command.read) {
      stats.readBytes += request.length;
      this.#answerRead(request);
    } else if (request.type === Command.blockStatus) {
      this.#answerStatus(request);
    } else {
      if (request.type === Command.write) stats.writtenBytes += request.length;
      this.#replies.done(request, false);
    }
    this.free(request);
    this.#output.answered(request.cost);
    request.cost = 0;
  }

  /** Gives the buffer back. */
  free(request: NbdRequest): void {
    if (request.data !== null) this.#server.pool.give(request.data);
    request.data = null;
    request.runs = null;
    request.refusal = null;
  }

  #fail(request: NbdRequest, error: HoldfastError): void {
    const errno = errnoOf(error.code);
    if (request.runs !== null)
      this.#replies.errorAt(request, errno, error.message, request.failedAt);
    else this.#replies.error(request, errno, error.message);
  }

  #read(request: NbdRequest): void {
    const { exported, mode } = this.rules;
    request.data = this.#server.pool.take(request.length);
    const asksHoles = mode !== "simple" && (request.flags & CommandFlag.df) === 0;
    if (asksHoles && request.length >= HOLE_LOOKUP_BYTES) {
      const runs = allocationOf(exported, request.offset, request.length, MAX_RUNS_PER_READ);
      if (runs.some((run) => run.kind !== "data")) {
        this.#readRuns(request, withRest(runs, request));
        return;
      }
    }
    exported.bytes.read(request.offset, request.data, request.done);
  }

  /** Reads the runs that hold data, each into its place; the reply lists them and the others as holes. */
  #readRuns(request: NbdRequest, runs: readonly ByteExtent[]): void {
    const whole = request.data!;
    const data = runs.filter((run) => run.kind === "data");
    request.runs = runs;
    request.failedAt = Infinity;
    if (data.length === 0) {
      request.done(null);
      return;
    }
    const end = fanOut(data.length, request.done);
    for (const { offsetBytes, lengthBytes } of data) {
      const at = offsetBytes - request.offset;
      this.rules.exported.bytes.read(offsetBytes, whole.subarray(at, at + lengthBytes), (error) => {
        if (error !== null) request.failedAt = Math.min(request.failedAt, offsetBytes);
        end(error);
      });
    }
  }

  #answerRead(request: NbdRequest): void {
    const { data, runs } = request;
    if (request.length === 0 || data === null) {
      this.#replies.done(request, true);
      return;
    }
    let isFree = true;
    if (runs === null) {
      isFree = this.#replies.data(request, request.offset, data, true);
    } else {
      runs.forEach(({ offsetBytes, lengthBytes, kind }, i) => {
        const isLast = i === runs.length - 1;
        const at = offsetBytes - request.offset;
        if (kind !== "data") this.#replies.hole(request, offsetBytes, lengthBytes, isLast);
        else if (
          !this.#replies.data(request, offsetBytes, data.subarray(at, at + lengthBytes), isLast)
        )
          isFree = false;
      });
    }
    if (isFree) return;
    this.#output.giveBack(data);
    request.data = null;
  }

  #maxRuns(request: NbdRequest): number {
    const isOne = (request.flags & CommandFlag.reqOne) !== 0;
    return isOne ? 1 : this.#server.limits.maxExtentsPerReply;
  }

  #answerStatus(request: NbdRequest): void {
    const { exported, mode } = this.rules;
    let { length } = request;
    if (request.data !== null) {
      const filter = parseStatusFilter(request.data, request.offset, exported);
      switch (filter.kind) {
        case "filter":
          length = filter.lengthBytes;
          break;
        case "refused":
          this.#server.stats.failed += 1;
          this.#replies.error(request, filter.refusal.errno, filter.refusal.message);
          return;
        default:
          unreachable(filter);
      }
    }
    const runs = allocationOf(exported, request.offset, length, this.#maxRuns(request));
    this.#replies.blockStatus(
      request,
      ALLOCATION_CONTEXT_ID,
      statusRuns(runs, mode === "extended"),
    );
  }

  #cache(request: NbdRequest): void {
    const { bytes } = this.rules.exported;
    const { offset, length } = request;
    const buffer = this.#server.pool.take(Math.min(length, CACHE_STEP_BYTES));
    request.data = buffer;
    const step = (index: number, end: BioEnd): void => {
      const from = index * CACHE_STEP_BYTES;
      const count = Math.min(CACHE_STEP_BYTES, length - from);
      if (this.isClosed) end(null);
      else bytes.read(offset + from, buffer.subarray(0, count), end);
    };
    inSequence(Math.ceil(length / CACHE_STEP_BYTES), step, request.done);
  }

  #writeZeroes(request: NbdRequest): void {
    const { bytes, canFastZero } = this.rules.exported;
    const { offset, length, flags } = request;
    const bioFlags =
      ((flags & CommandFlag.fua) !== 0 ? BioFlags.fua : 0) |
      ((flags & CommandFlag.noHole) !== 0 ? BioFlags.noUnmap : 0);
    if (canFastZero) {
      bytes.writeZeroes(offset, length, bioFlags, request.done);
      return;
    }
    const step = (index: number, end: BioEnd): void => {
      const from = index * ZERO_STEP_BYTES;
      const count = Math.min(ZERO_STEP_BYTES, length - from);
      if (this.isClosed) end(null);
      else bytes.writeZeroes(offset + from, count, bioFlags, end);
    };
    inSequence(Math.ceil(length / ZERO_STEP_BYTES), step, request.done);
  }

  #thenFlush(end: BioEnd): BioEnd {
    return (error) => {
      if (error === null) this.rules.exported.bytes.flush(end);
      else end(error);
    };
  }
}

/** Extents may stop early: what they leave out is data. */
function withRest(runs: readonly ByteExtent[], request: NbdRequest): readonly ByteExtent[] {
  const last = runs.at(-1)!;
  const offsetBytes = last.offsetBytes + last.lengthBytes;
  const lengthBytes = request.offset + request.length - offsetBytes;
  return lengthBytes === 0 ? runs : [...runs, { offsetBytes, lengthBytes, kind: "data" }];
}
