/**
 * Listening and connecting on a ring. Names, errors and what is done about unix sockets are shared with env/node.
 *
 * One accept operation stands for all clients to come where the kernel can (5.19), else it is started again for each. The
 * number of connections is bounded, so that their receives, which may fly for days, never take the ring's last slots.
 */
import { unlinkSync } from "node:fs";
import type { Timers } from "../env.ts";
import type { Connection, Listener, SocketAddress, Sockets } from "../sockets.ts";
import {
  KEEP_ALIVE_DELAY_MS,
  addressError,
  checkAddress,
  describeAddress,
  keepPrivate,
  listenOrReplace,
  peerName,
} from "../node/socket-addresses.ts";
import {
  ACCEPT_MULTISHOT,
  CQE_MORE,
  Errno,
  Family,
  Op,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SocketOption,
} from "./abi.ts";
import { MAX_ADDRESS_BYTES, familyOf, hostAndPort, systemAddresses } from "./addresses.ts";
import { RingConnection } from "./connection.ts";
import { systemError } from "./errors.ts";
import type { Kernel } from "./kernel.ts";
import type { RingLoop } from "./loop.ts";
import { Operation } from "./operation.ts";
import type { Completed } from "./operation.ts";
import { ReceiveBuffers } from "./receive-buffers.ts";

const BACKLOG = 511;
/** After an accept that failed for want of descriptors or memory. */
const ACCEPT_AGAIN_MS = 100;
/** Of the ring's slots; a connection takes two at most. */
const CONNECTION_SHARE = 4;

/** What all sockets of one ring share. */
export class SocketSpace {
  readonly loop: RingLoop;
  readonly timers: Timers;
  readonly #buffers = new ReceiveBuffers();
  readonly #connections = new Set<RingConnection>();
  readonly #listeners = new Set<RingListener>();
  readonly #connecting = new Set<Operation>();
  #isStopped = false;

  constructor(loop: RingLoop, timers: Timers) {
    this.loop = loop;
    this.timers = timers;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  get connections(): number {
    return this.#connections.size;
  }

  get isFull(): boolean {
    const { slots } = this.loop.ring;
    return this.#isStopped || this.#connections.size >= slots / CONNECTION_SHARE;
  }

  connection(descriptor: number, peer: string): RingConnection {
    const gone = (one: RingConnection): void => void this.#connections.delete(one);
    const made = new RingConnection(this.loop, this.#buffers, descriptor, peer, gone);
    this.#connections.add(made);
    return made;
  }

  /** Resolves to the system's result. */
  connect(descriptor: number, where: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      const completed = (operation: Operation, result: number): void => {
        this.#connecting.delete(operation);
        this.loop.release();
        resolve(result);
      };
      const operation = new Operation({ completed });
      operation.opcode = Op.connect;
      operation.descriptor = descriptor;
      operation.address = this.loop.system.addressOf(where);
      operation.offset = where.length;
      operation.keeps = where;
      this.#connecting.add(operation);
      this.loop.hold();
      this.loop.start(operation);
    });
  }

  listening(listener: RingListener): void {
    this.#listeners.add(listener);
  }

  notListening(listener: RingListener): void {
    this.#listeners.delete(listener);
  }

  /** Resolves when all listeners are closed; connections close in the loop's next turns. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const connection of this.#connections) connection.destroy();
    for (const operation of this.#connecting) this.loop.cancel(operation);
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
  }
}

function checked(call: string, result: number): number {
  if (result < 0) throw systemError(call, -result);
  return result;
}

/** Runs `use` with a new socket, and closes it if that fails. */
async function withSocket<T>(
  system: Kernel,
  family: number,
  use: (descriptor: number) => T | Promise<T>,
): Promise<T> {
  const descriptor = checked("socket", system.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    return await use(descriptor);
  } catch (error) {
    system.close(descriptor);
    throw error;
  }
}

function setOption(
  system: Kernel,
  descriptor: number,
  level: number,
  name: number,
  value: number,
): void {
  const bytes = new Uint8Array(Int32Array.of(value).buffer);
  system.setsockopt(descriptor, level, name, system.addressOf(bytes), bytes.length);
}

/** Small messages leave at once; peers that vanish without a word are found. */
function tuneTcp(system: Kernel, descriptor: number): void {
  const { socketLevel, tcpLevel, tcpNoDelay, keepAlive, tcpKeepIdle } = SocketOption;
  setOption(system, descriptor, tcpLevel, tcpNoDelay, 1);
  setOption(system, descriptor, socketLevel, keepAlive, 1);
  setOption(system, descriptor, tcpLevel, tcpKeepIdle, KEEP_ALIVE_DELAY_MS / 1000);
}

/** What getsockname or getpeername tells. */
function nameFrom(
  system: Kernel,
  call: "getsockname" | "getpeername",
  descriptor: number,
): { host: string; port: number } | null {
  const bytes = new Uint8Array(MAX_ADDRESS_BYTES);
  const length = new Uint8Array(Int32Array.of(bytes.length).buffer);
  const result = system[call](descriptor, system.addressOf(bytes), system.addressOf(length));
  return result < 0 ? null : hostAndPort(bytes);
}

class RingListener implements Listener, Completed {
  readonly address: SocketAddress;
  readonly #space: SocketSpace;
  readonly #descriptor: number;
  readonly #accept: (connection: Connection) => void;
  readonly #operation = new Operation(this);
  #closing: Promise<void> | null = null;
  #closed: (() => void) | null = null;

  constructor(
    space: SocketSpace,
    descriptor: number,
    asked: SocketAddress,
    accept: (connection: Connection) => void,
  ) {
    const { system } = space.loop;
    this.#space = space;
    this.#descriptor = descriptor;
    this.#accept = accept;
    const bound = asked.kind === "tcp" ? nameFrom(system, "getsockname", descriptor) : null;
    this.address = asked.kind === "tcp" ? { ...asked, port: bound?.port ?? asked.port } : asked;
    this.#operation.opcode = Op.accept;
    this.#operation.descriptor = descriptor;
    this.#operation.opFlags = SOCK_CLOEXEC;
    this.#operation.ioprio = ACCEPT_MULTISHOT;
    space.listening(this);
    space.loop.hold();
    space.loop.start(this.#operation);
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#closed = resolve;
      // As node:net does: nobody finds a socket that nobody listens on.
      if (this.address.kind === "unix") {
        try {
          unlinkSync(this.address.path);
        } catch {
          // Somebody else was faster.
        }
      }
      if (this.#operation.state === "idle") this.#close();
      else this.#space.loop.cancel(this.#operation);
    });
    return this.#closing;
  }

  completed(operation: Operation, result: number, flags: number): void {
    if (result >= 0) this.#accepted(result);
    if ((flags & CQE_MORE) !== 0) return;
    if (this.#closing !== null) this.#close();
    else if (result === -Errno.EINVAL && operation.ioprio === ACCEPT_MULTISHOT) {
      operation.ioprio = 0;
      this.#space.loop.start(operation);
    } else if (isShortage(result)) {
      this.#space.timers.set(ACCEPT_AGAIN_MS, () => {
        if (this.#closing === null) this.#space.loop.start(operation);
      });
    } else this.#space.loop.start(operation);
  }

  #accepted(descriptor: number): void {
    const { system } = this.#space.loop;
    if (this.#closing !== null || this.#space.isFull) {
      system.close(descriptor);
      return;
    }
    let peer = peerName(this.address);
    if (this.address.kind === "tcp") {
      tuneTcp(system, descriptor);
      const found = nameFrom(system, "getpeername", descriptor);
      peer = peerName(this.address, found?.host, found?.port);
    }
    this.#accept(this.#space.connection(descriptor, peer));
  }

  #close(): void {
    this.#space.loop.system.close(this.#descriptor);
    this.#space.notListening(this);
    this.#space.loop.release();
    this.#closed?.();
  }
}

function isShortage(result: number): boolean {
  const { EMFILE, ENFILE, ENOBUFS, ENOMEM } = Errno;
  return result === -EMFILE || result === -ENFILE || result === -ENOBUFS || result === -ENOMEM;
}

async function listenOnce(
  space: SocketSpace,
  address: SocketAddress,
  accept: (connection: Connection) => void,
): Promise<Listener> {
  const { system } = space.loop;
  const [first] = await systemAddresses(address);
  if (first === undefined) throw systemError("bind", Errno.EADDRNOTAVAIL);
  return withSocket(system, familyOf(first), (descriptor) => {
    const { socketLevel, reuseAddress } = SocketOption;
    if (address.kind === "tcp") setOption(system, descriptor, socketLevel, reuseAddress, 1);
    checked("bind", system.bind(descriptor, system.addressOf(first), first.length));
    checked("listen", system.listen(descriptor, BACKLOG));
    keepPrivate(address);
    return new RingListener(space, descriptor, address, accept);
  });
}

async function connectTo(space: SocketSpace, where: Uint8Array): Promise<number> {
  const { system } = space.loop;
  return withSocket(system, familyOf(where), async (descriptor) => {
    checked("connect", await space.connect(descriptor, where));
    if (space.isStopped) throw systemError("connect", Errno.ECANCELED);
    if (familyOf(where) !== Family.unix) tuneTcp(system, descriptor);
    return descriptor;
  });
}

async function connect(space: SocketSpace, address: SocketAddress): Promise<Connection> {
  checkAddress(address);
  let failure: unknown = systemError("connect", Errno.EADDRNOTAVAIL);
  try {
    if (space.isFull) throw systemError("connect", Errno.EMFILE);
    for (const where of await systemAddresses(address)) {
      try {
        const descriptor = await connectTo(space, where);
        return space.connection(descriptor, describeAddress(address));
      } catch (error) {
        failure = error;
      }
    }
  } catch (error) {
    failure = error;
  }
  throw addressError("connect to", address, failure);
}

/** @param base for checking TLS settings */
export function ringSockets(space: SocketSpace, base: Sockets): Sockets {
  return {
    listen: (address, accept) => listenOrReplace(address, () => listenOnce(space, address, accept)),
    connect: (address) => connect(space, address),
    checkTls: (settings) => base.checkTls(settings),
  };
}
