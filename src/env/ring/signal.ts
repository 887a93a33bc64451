/**
 * Wakes Node's loop when the ring has something: an eventfd that the kernel counts up, watched as if it were a pipe.
 *
 * Node's loop has no documented way to watch any descriptor. So a pipe is given to a net.Socket, and the eventfd is put in the pipe's
 * place before the loop has looked at it: reading it gives eight bytes, or EAGAIN, as from a pipe. Koffi's own PollHandle
 * would be shorter, but it calls into JavaScript even while the thread is torn down: Worker.terminate, or process.exit of the main
 * thread, then abort the whole process.
 */
import net from "node:net";
import { EventFlag } from "./abi.ts";
import type { Kernel } from "./kernel.ts";

export class Signal {
  /** The eventfd. */
  readonly descriptor: number;
  readonly #socket: net.Socket;

  /** @throws Error with the errno */
  constructor(system: Kernel, ready: () => void) {
    const ends = new Int32Array(2);
    const address = system.addressOf(new Uint8Array(ends.buffer));
    must("pipe2", system.pipe2(address, EventFlag.closeOnExec));
    const [out = -1, into = -1] = ends;
    this.descriptor = out;
    const counter = must("eventfd", system.eventfd(0, EventFlag.closeOnExec | EventFlag.nonBlock));
    this.#socket = new net.Socket({ fd: out, readable: true, writable: false });
    must("dup3", system.dup3(counter, out, EventFlag.closeOnExec));
    system.close(counter);
    system.close(into);
    this.#socket.on("error", () => {});
    this.#socket.on("data", ready);
    this.#socket.unref();
  }

  /** Whether it keeps the thread alive; at first it does not. */
  keepAlive(isNeeded: boolean): void {
    if (isNeeded) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
  }
}

function must(call: string, result: number): number {
  if (result < 0) throw new Error(`${call} fails with errno ${-result}`);
  return result;
}
