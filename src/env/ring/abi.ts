/**
 * Numbers of the Linux kernel's interface that this backend uses, on 64-bit little-endian machines. Offsets of 32-bit words are
 * counted in words, all else in bytes. Sources: the kernel's user-space headers linux/io_uring.h, asm-generic/unistd.h,
 * asm-generic/fcntl.h, linux/socket.h, linux/in.h, linux/tcp.h, and the man pages io_uring_setup(2), io_uring_enter(2),
 * io_uring_register(2), unix(7), ip(7), ipv6(7), tcp(7).
 */

/** System calls without a function in every C library. The io_uring ones have the same numbers on all machines. */
export const Syscall = { setup: 425, enter: 426, register: 427 } as const;

/** io_uring_params: 30 words. `sq...` and `cq...` say where, in bytes, the parts of the mapped rings lie. */
export const Params = {
  words: 30,
  sqEntries: 0,
  cqEntries: 1,
  flags: 2,
  features: 5,
  sqHead: 10,
  sqTail: 11,
  sqMask: 12,
  sqFlags: 14,
  sqArray: 16,
  cqHead: 20,
  cqTail: 21,
  cqMask: 22,
  cqEntriesAt: 25,
  cqFlags: 26,
} as const;

export const SetupFlag = {
  cqSize: 1 << 3,
  clamp: 1 << 4,
  /** 5.18 */
  submitAll: 1 << 7,
  /** 5.19: no interrupts to run completions. */
  coopTaskrun: 1 << 8,
  /** 5.19: the flags of the submission queue tell of completions that wait to be run. */
  taskrunFlag: 1 << 9,
  /** 6.0 */
  singleIssuer: 1 << 12,
  /** 6.1: completions run only when they are waited for. */
  deferTaskrun: 1 << 13,
} as const;

/** In the flags of the submission queue. */
export const SQ_TASKRUN = 1 << 2;

export const Feature = {
  /** 5.4: both rings in one mapping. */
  singleMmap: 1 << 0,
  /** 5.5: completions that find the queue full are kept. */
  noDrop: 1 << 1,
  /** 5.7: sockets that are not ready are polled, not waited for by a thread. */
  fastPoll: 1 << 5,
  /** 5.11: a wait can have a time limit. */
  extArg: 1 << 8,
} as const;

export const SUBMISSIONS_OFFSET = 0x1000_0000;
export const MmapFlag = { readWrite: 3, shared: 1 } as const;

/** io_uring_sqe: 16 words. */
export const Sqe = {
  words: 16,
  /** Opcode in the low byte, flags in the next, ioprio in the upper half. */
  opcode: 0,
  descriptor: 1,
  offsetLow: 2,
  offsetHigh: 3,
  addressLow: 4,
  addressHigh: 5,
  length: 6,
  opFlags: 7,
  userDataLow: 8,
  userDataHigh: 9,
} as const;

/** io_uring_cqe: 4 words. */
export const Cqe = { words: 4, userDataLow: 0, userDataHigh: 1, result: 2, flags: 3 } as const;
/** This completion is not the request's last. */
export const CQE_MORE = 2;
/** There was more to receive. */
export const CQE_SOCKET_NOT_EMPTY = 4;

export const Op = {
  fsync: 3,
  sendMessage: 9,
  receiveMessage: 10,
  accept: 13,
  asyncCancel: 14,
  connect: 16,
  read: 22,
  write: 23,
  send: 26,
  receive: 27,
} as const;

/** Flags of a submission: not tried at once, a thread of the kernel does it from the start (5.6). */
export const SQE_ASYNC = 1 << 4;
/** ioprio of receive: wait for data before trying (5.19). */
export const RECEIVE_POLL_FIRST = 1;
/** ioprio of accept: one request accepts many (5.19). */
export const ACCEPT_MULTISHOT = 1;
export const FSYNC_DATASYNC = 1;

export const EnterFlag = { getEvents: 1, extArg: 8 } as const;
/** io_uring_getevents_arg: sigmask (8), its size (4), pad (4), address of a timespec (8). */
export const GETEVENTS_ARG = { bytes: 24, timespecAddress: 16 } as const;

/** io_uring_register: signal an eventfd for each completion, and for work that a completion waits for. */
export const REGISTER_EVENTFD = 4;
/** Flag in the completion queue (5.8): no signals now. */
export const CQ_EVENTFD_DISABLED = 1;
export const EventFlag = { closeOnExec: 0o2000000, nonBlock: 0o4000 } as const;

/** io_uring_register's IORING_REGISTER_PROBE; io_uring_probe: 16 bytes, then 8 for each opcode. */
export const Probe = {
  register: 8,
  headBytes: 16,
  bytesPerOp: 8,
  flagsAt: 2,
  isSupported: 1,
  maxOps: 256,
} as const;

/** preadv2(2): fail with EAGAIN rather than wait. */
export const RWF_NOWAIT = 8;
/** pwritev2(2): done when it is on stable storage. */
export const RWF_DSYNC = 2;

/** getrusage(2). */
export const RUSAGE_THREAD = 1;
/** rusage, 36 words: two times of 4 words each, then counts of 2. */
export const Rusage = { words: 36, voluntarySwitches: 32, involuntarySwitches: 34 } as const;

/** iovec: address (8), length (8). */
export const IOVEC_WORDS = 4;
/** struct msghdr of 64-bit machines, in words: name (2), its length (2), iov (2), its length (2), control (4), flags (2). */
export const MessageHeader = { words: 14, iovLow: 4, iovHigh: 5, iovLength: 6 } as const;
export const MSG_NOSIGNAL = 0x4000;

export const Family = { unix: 1, inet: 2, inet6: 10 } as const;
export const SOCK_STREAM = 1;
export const SOCK_CLOEXEC = 0o2000000;
export const SHUT_WR = 1;
export const SocketOption = {
  socketLevel: 1,
  reuseAddress: 2,
  keepAlive: 9,
  tcpLevel: 6,
  tcpNoDelay: 1,
  tcpKeepIdle: 4,
} as const;

/** asm-generic/errno-base.h and errno.h. */
export const Errno = {
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  EBUSY: 16,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETIME: 62,
  ENOMEM: 12,
  EADDRNOTAVAIL: 99,
  EOPNOTSUPP: 95,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ECANCELED: 125,
} as const;

/** fcntl(2); O_NONBLOCK is the same on x86_64 and arm64. */
export const Fcntl = { getFlags: 3, setFlags: 4, nonBlock: 0o4000 } as const;
