/**
 * NbdConnection: the protocol of one client as a state machine without a socket. Bytes go in by `feed`, everything else
 * comes out by the transport: pieces to send, pause and resume, TLS, goodbye.
 *
 *   feed, or room and filled -> phase.consume -> output -> flush at the end of the feed, or `soon` after a later completion
 *
 * While the phase is stalled the transport is paused, and what had come already waits in the backlog, which
 * is as long as what the transport delivers after `pause` at most. States: open -> finishing (output, then goodbye) -> closed.
 */
import { ignore } from "../base/nothing.ts";
import type { ServedExport } from "./exports.ts";
import { Handshake } from "./handshake.ts";
import { Output } from "./output.ts";
import type { Transport } from "./output.ts";
import type { ConnectionHost, Phase, ServerContext } from "./phase.ts";
import { Watchdog } from "./watchdog.ts";

type State = "open" | "finishing" | "closed";

export class NbdConnection implements ConnectionHost {
  readonly server: ServerContext;
  readonly output: Output;
  readonly #transport: Transport;
  readonly #dropped: (why: string) => void;
  readonly #handshake: Handshake;
  readonly #watchdog: Watchdog;
  #phase: Phase;
  #state: State = "open";
  #backlog: Uint8Array[] = [];
  #isFeeding = false;
  #isPaused = false;
  #isStopping = false;
  #isTls = false;
  #tlsWanted = false;
  #inputEnded = false;
  #wakeQueued = false;
  #whenIdle: (() => void) | null = null;
  #release: () => void = ignore;

  /** @param dropped is told why, when the connection is closed for something the client did */
  constructor(server: ServerContext, transport: Transport, dropped: (why: string) => void) {
    this.server = server;
    this.#transport = transport;
    this.#dropped = dropped;
    this.output = new Output(transport, server.pool, (requests, cost) =>
      this.#released(requests, cost),
    );
    this.#handshake = new Handshake(this);
    this.#phase = this.#handshake;
    this.#watchdog = new Watchdog(server.limits);
  }

  /** Sends the greeting. */
  start(): void {
    this.#handshake.greet();
    this.output.flush();
  }

  get state(): State {
    return this.#state;
  }

  get phaseName(): Phase["name"] {
    return this.#phase.name;
  }

  /** What the client has open; null in the handshake. */
  get exported(): ServedExport | null {
    return this.#phase.exported;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  get isTls(): boolean {
    return this.#isTls;
  }

  /** Nothing of this connection is lent to a device. */
  get isIdle(): boolean {
    return this.#phase.isIdle;
  }

  /** Calls `then`, perhaps more than once, when the devices have given back the last of what they were lent. */
  whenIdle(then: () => void): void {
    this.#whenIdle = then;
  }

  /** Bytes that wait because the phase is stalled. */
  get backlogBytes(): number {
    return this.#backlog.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  /** Takes what the client sent; `chunk` is lent. */
  feed(chunk: Uint8Array): void {
    if (this.#state !== "open") return;
    if (this.#isFeeding || this.#backlog.length > 0) {
      this.#backlog.push(chunk.slice());
      return;
    }
    this.#consume(chunk);
    this.#settle();
  }

  /** Where the next bytes from the client are best put; null for anywhere, then `feed` them. Lent until `filled`. */
  room(): Uint8Array | null {
    if (this.#state !== "open" || this.#backlog.length > 0) return null;
    return this.#phase.room();
  }

  /** Gives the room back, perhaps after `closed`. The next bytes from the client, so many, are at its start. */
  filled(bytes: number): void {
    this.#isFeeding = true;
    this.#phase.filled(bytes);
    this.#isFeeding = false;
    this.#settle();
  }

  /** The client will send nothing more. */
  end(): void {
    this.#inputEnded = true;
    this.#settle();
  }

  /** TLS has been set up. */
  secured(): void {
    this.#isTls = true;
    this.#handshake.secured();
  }

  /** Finishes what is under way; later requests are refused. */
  stop(): void {
    if (this.#isStopping || this.#state !== "open") return;
    this.#isStopping = true;
    this.#phase.stop();
    this.#settle();
  }

  /** The transport is gone. */
  closed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#backlog = [];
    this.#phase.closed();
    this.output.close();
    this.#release();
  }

  /** Looks after the clock; drops a client that has taken too long. To be called every few seconds. */
  check(nowMs: number): void {
    if (this.#state === "closed") return;
    const why = this.#watchdog.check(nowMs, {
      isFinishing: this.#state === "finishing",
      phase: this.#phase,
      output: this.output,
      isHeldBack: this.#isPaused,
    });
    if (why !== null) this.drop(why);
  }

  drop(why: string): void {
    if (this.#state === "closed") return;
    this.#dropped(why);
    this.closed();
    this.#transport.destroy();
  }

  enter(phase: Phase): void {
    this.#phase = phase;
    this.#release = phase.exported?.opened() ?? ignore;
    if (this.#isStopping) phase.stop();
  }

  finish(): void {
    if (this.#state !== "open") return;
    this.#state = "finishing";
    this.#backlog = [];
    this.output.flush();
    this.#transport.end();
    // What the client still says is not heard, but its goodbye is.
    this.#resume();
  }

  startTls(): void {
    this.#tlsWanted = true;
  }

  wake(): void {
    if (this.#whenIdle !== null && this.#phase.isIdle) this.#whenIdle();
    if (this.#isFeeding || this.#wakeQueued || this.#state === "closed") return;
    this.#wakeQueued = true;
    this.#transport.soon(this.#woken);
  }

  readonly #woken = (): void => {
    this.#wakeQueued = false;
    this.#settle();
  };

  #consume(chunk: Uint8Array): void {
    this.#isFeeding = true;
    let at = 0;
    while (at < chunk.length && this.#state === "open" && !this.#phase.isStalled)
      at = this.#phase.consume(chunk, at, chunk.length);
    this.#isFeeding = false;
    if (at < chunk.length && this.#state === "open") this.#backlog.unshift(chunk.slice(at));
  }

  /** Sends, goes on with the backlog as far as possible, and tells the transport whether to deliver more. */
  #settle(): void {
    if (this.#isFeeding) return;
    this.output.flush();
    while (this.#state === "open" && this.#backlog.length > 0 && !this.#phase.isStalled) {
      this.#consume(this.#backlog.shift()!);
      this.output.flush();
    }
    if (this.#state !== "open") return;
    if (this.#tlsWanted && this.output.unsentBytes === 0) {
      this.#beginTls();
      return;
    }
    if (this.#phase.isStalled || this.#backlog.length > 0) this.#pause();
    else if (this.#inputEnded) this.#phase.inputEnded();
    else this.#resume();
  }

  #beginTls(): void {
    this.#tlsWanted = false;
    if (this.#backlog.length > 0) {
      this.drop("the client sent data where TLS was to start");
      return;
    }
    this.#transport.startTls();
  }

  #released(requests: number, cost: number): void {
    this.#phase.released(requests, cost);
    if (this.#tlsWanted) this.wake();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#transport.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#transport.resume();
  }
}
