/**
 * The system calls of this backend, through koffi. All are synchronous and take addresses as numbers (below 2^47 in user
 * space). Results are the system's: what is negative is an errno with its sign changed.
 */
import { koffi, libcFunction } from "../node/koffi.ts";
import type { Koffi } from "../node/koffi.ts";
import { Fcntl, MmapFlag } from "./abi.ts";

type Call = (...args: readonly number[]) => number;

export interface Kernel {
  readonly setup: Call;
  /** (nr of the call, descriptor, submit, wait for, flags, argument, its bytes) */
  readonly enter: Call;
  readonly register: Call;
  readonly mmap: Call;
  readonly munmap: Call;
  /** (descriptor, iovec, count, offset, flags) */
  readonly preadv2: Call;
  /** (descriptor, address, length, offset) */
  readonly pread: Call;
  readonly pwrite: Call;
  /** (descriptor, iovec, count, offset) */
  readonly pwritev: Call;
  /** (whose, address of a rusage) */
  readonly getrusage: Call;
  readonly eventfd: Call;
  readonly pipe2: Call;
  readonly dup3: Call;
  readonly socket: Call;
  readonly bind: Call;
  readonly listen: Call;
  readonly shutdown: Call;
  readonly setsockopt: Call;
  readonly getsockname: Call;
  readonly getpeername: Call;
  readonly close: Call;
  readonly fcntl: Call;
  readonly addressOf: (bytes: Uint8Array) => number;
  readonly view: (address: number, lengthBytes: number) => ArrayBuffer;
}

const INT = "int";
/** Also for addresses. */
const LONG = "int64";

/** The library's name of each, its result and its arguments. */
const CALLS = {
  setup: ["syscall", INT, [LONG, INT, LONG]],
  enter: ["syscall", INT, [LONG, INT, INT, INT, INT, LONG, LONG]],
  register: ["syscall", INT, [LONG, INT, INT, LONG, INT]],
  mmap: ["mmap", LONG, [LONG, LONG, INT, INT, INT, LONG]],
  munmap: ["munmap", INT, [LONG, LONG]],
  preadv2: ["preadv2", INT, [INT, LONG, INT, LONG, INT]],
  pread: ["pread", INT, [INT, LONG, LONG, LONG]],
  pwrite: ["pwrite", INT, [INT, LONG, LONG, LONG]],
  pwritev: ["pwritev", INT, [INT, LONG, INT, LONG]],
  getrusage: ["getrusage", INT, [INT, LONG]],
  eventfd: ["eventfd", INT, [INT, INT]],
  pipe2: ["pipe2", INT, [LONG, INT]],
  dup3: ["dup3", INT, [INT, INT, INT]],
  socket: ["socket", INT, [INT, INT, INT]],
  bind: ["bind", INT, [INT, LONG, INT]],
  listen: ["listen", INT, [INT, INT]],
  shutdown: ["shutdown", INT, [INT, INT]],
  setsockopt: ["setsockopt", INT, [INT, INT, INT, LONG, INT]],
  getsockname: ["getsockname", INT, [INT, LONG, LONG]],
  getpeername: ["getpeername", INT, [INT, LONG, LONG]],
  close: ["close", INT, [INT]],
  fcntl: ["fcntl", INT, [INT, INT, INT]],
} as const;

/** By number of arguments: a rest parameter would cost an array for each call. */
const CHECKED: Readonly<Record<number, (call: Call, failure: () => number) => Call>> = {
  1: (call, failure) => (a) => {
    const found = call(a);
    return found === -1 ? failure() : found;
  },
  2: (call, failure) => (a, b) => {
    const found = call(a, b);
    return found === -1 ? failure() : found;
  },
  3: (call, failure) => (a, b, c) => {
    const found = call(a, b, c);
    return found === -1 ? failure() : found;
  },
  4: (call, failure) => (a, b, c, d) => {
    const found = call(a, b, c, d);
    return found === -1 ? failure() : found;
  },
  5: (call, failure) => (a, b, c, d, e) => {
    const found = call(a, b, c, d, e);
    return found === -1 ? failure() : found;
  },
  6: (call, failure) => (a, b, c, d, e, f) => {
    const found = call(a, b, c, d, e, f);
    return found === -1 ? failure() : found;
  },
  7: (call, failure) => (a, b, c, d, e, f, g) => {
    const found = call(a, b, c, d, e, f, g);
    return found === -1 ? failure() : found;
  },
};

function bound(native: Koffi, name: keyof typeof CALLS): Call {
  const [symbol, result, args] = CALLS[name];
  const call = libcFunction(native, [symbol], result, args) as Call | null;
  if (call === null) throw new Error(`the C library has no ${symbol}`);
  return CHECKED[args.length]!(call, () => -native.errno());
}

function boundCalls(native: Koffi): Record<keyof typeof CALLS, Call> {
  const names = Object.keys(CALLS) as (keyof typeof CALLS)[];
  const entries = names.map((name) => [name, bound(native, name)]);
  return Object.fromEntries(entries) as Record<keyof typeof CALLS, Call>;
}

let loaded: Kernel | string | undefined;

/** Or why there is none, as part of a sentence. */
export function kernel(): Kernel | string {
  loaded ??= loadKernel();
  return loaded;
}

function loadKernel(): Kernel | string {
  const machine = `${process.platform} ${process.arch}`;
  if (machine !== "linux x64" && machine !== "linux arm64")
    return `io_uring is used on 64-bit Linux (x64 and arm64), and this is ${machine}`;
  const native = koffi();
  if (native === null) return "the optional package koffi is not installed or does not load here";
  try {
    return {
      ...boundCalls(native),
      addressOf: addresses(native),
      view: (address, lengthBytes) => native.view(address, lengthBytes),
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Memory of a buffer stays where it is, so each is asked for once. */
function addresses(native: Koffi): (bytes: Uint8Array) => number {
  const known = new WeakMap<ArrayBufferLike, number>();
  return (bytes) => {
    // Asking for `buffer` moves what V8 keeps inside its own heap, where it would not stay, out of it.
    const { buffer } = bytes;
    let start = known.get(buffer);
    if (start === undefined) {
      start = Number(native.address(new Uint8Array(buffer)));
      known.set(buffer, start);
    }
    return start + bytes.byteOffset;
  };
}

/** Reading and writing wait for the file, whatever it was opened with. */
export function makeBlocking(system: Kernel, descriptor: number): void {
  const flags = system.fcntl(descriptor, Fcntl.getFlags, 0);
  if (flags >= 0 && (flags & Fcntl.nonBlock) !== 0)
    system.fcntl(descriptor, Fcntl.setFlags, flags & ~Fcntl.nonBlock);
}

/** The address, or an errno with its sign changed. */
export function mapShared(
  system: Kernel,
  descriptor: number,
  lengthBytes: number,
  offset: number,
): number {
  return system.mmap(0, lengthBytes, MmapFlag.readWrite, MmapFlag.shared, descriptor, offset);
}
