/**
 * An engine in another thread, held over a port.
 *
 *   running --- stop is called ---> stopping --- answered, and the other side has gone ---> ended
 *      |                                |
 *      +---- the other side has gone ---+--> dead: whatever waits, and whatever is called, throws why
 */
import { HoldfastError } from "../base/errors.ts";
import type { Log } from "../env/env.ts";
import type { HostCall } from "../host/host-call.ts";
import type {
  ArrayExport,
  EngineEnd,
  EngineFigures,
  OpenCall,
  OpenedByEngine,
  RunningEngine,
  ServeArraysCall,
  ServeCall,
  Serving,
} from "./engine.ts";
import { errorFrom } from "./messages.ts";
import type { EngineMessage, EngineMethod, EngineRequest } from "./messages.ts";

/** The holder's end of the way to an engine. */
export interface EnginePort {
  send(request: EngineRequest): void;
  /** Called once. `gone` is called once, last: with why, or with null when the other side ended in order. */
  start(received: (message: EngineMessage) => void, gone: (error: Error | null) => void): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class RemoteEngine implements RunningEngine {
  readonly died: Promise<Error>;
  readonly #port: EnginePort;
  readonly #log: Log;
  readonly #waiting = new Map<number, Waiting>();
  readonly #gone: Promise<Error | null>;
  #tellDied: (error: Error) => void = () => {};
  #tellGone: (error: Error | null) => void = () => {};
  #nextId = 1;
  #dead: Error | null = null;
  #stopId: number | null = null;
  #isStopAnswered = false;
  #stopping: Promise<EngineEnd> | null = null;

  /** @param log takes what the engine logs */
  constructor(port: EnginePort, log: Log) {
    this.#port = port;
    this.#log = log;
    this.died = new Promise((resolve) => {
      this.#tellDied = resolve;
    });
    this.#gone = new Promise((resolve) => {
      this.#tellGone = resolve;
    });
    port.start(
      (message) => this.#received(message),
      (error) => this.#over(error),
    );
  }

  open(call: OpenCall): Promise<OpenedByEngine> {
    return this.#call("open", call) as Promise<OpenedByEngine>;
  }

  serve(call: ServeCall): Promise<Serving> {
    return this.#call("serve", call) as Promise<Serving>;
  }

  callHost(call: HostCall): Promise<unknown> {
    return this.#call("callHost", call);
  }

  serveArrays(call: ServeArraysCall): Promise<void> {
    return this.#call("serveArrays", call) as Promise<void>;
  }

  arrayExports(): Promise<readonly ArrayExport[]> {
    return this.#call("arrayExports", undefined) as Promise<readonly ArrayExport[]>;
  }

  figures(): Promise<EngineFigures> {
    return this.#call("figures", undefined) as Promise<EngineFigures>;
  }

  stop(): Promise<EngineEnd> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** The other side goes once it has answered, so the thread and all it held are gone when this resolves. */
  async #stop(): Promise<EngineEnd> {
    try {
      return (await this.#request("stop", undefined)) as EngineEnd;
    } finally {
      const error = await this.#gone;
      // oxlint-disable-next-line no-unsafe-finally -- why it broke at the end counts more than the figures
      if (error !== null) throw error;
    }
  }

  #call(method: EngineMethod, argument: unknown): Promise<unknown> {
    if (this.#stopping !== null && this.#dead === null)
      return Promise.reject(new HoldfastError("shutdown", "The engine is stopped."));
    return this.#request(method, argument);
  }

  #request(method: EngineMethod, argument: unknown): Promise<unknown> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      const id = this.#nextId;
      this.#nextId += 1;
      // First: what cannot be cloned throws, and nothing waits then.
      this.#port.send({ id, method, argument });
      if (method === "stop") this.#stopId = id;
      this.#waiting.set(id, { resolve, reject });
    });
  }

  #received(message: EngineMessage): void {
    if (message.kind === "log") {
      this.#log.write(message.level, message.message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.id === this.#stopId) this.#isStopAnswered = true;
    if (message.kind === "result") waiting?.resolve(message.value);
    else waiting?.reject(errorFrom(message.error));
  }

  #over(error: Error | null): void {
    if (this.#isStopAnswered) {
      // What was still being worked on has no answer any more.
      this.#rejectAll(new HoldfastError("shutdown", "The engine is stopped."));
      this.#tellGone(error);
      return;
    }
    const why = error ?? new HoldfastError("io", "The engine has ended without being asked to.");
    this.#dead = why;
    this.#rejectAll(why);
    this.#tellGone(why);
    this.#tellDied(why);
  }

  #rejectAll(why: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(why);
    this.#waiting.clear();
  }
}
