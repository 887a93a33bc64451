/**
 * Env: everything that is not pure computation, as one argument. Production code gets the real one
 * (`env/node`), tests and simulations get others. Nothing outside `env/node` touches the clock, chance,
 * files or sockets in any other way.
 */
import type { Files } from "./files.ts";
import type { LocalHttp } from "./http.ts";
import type { Sockets } from "./sockets.ts";

export interface Clock {
  /** Wall-clock time, milliseconds since 1970. */
  wallMs(): number;
  /** Milliseconds that never go backwards; only differences mean anything. */
  monotonicMs(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Calls `fire` once after `delayMs`. A pending timer does not keep the process alive. */
  set(delayMs: number, fire: () => void): Timer;
}

export interface RandomSource {
  /** Fresh unpredictable bytes. */
  bytes(count: number): Uint8Array;
}

export type LogLevel = "debug" | "info" | "warning" | "error";

export interface Log {
  write(level: LogLevel, message: string): void;
}

export interface Env {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomSource;
  readonly files: Files;
  readonly sockets: Sockets;
  readonly http: LocalHttp;
  readonly log: Log;
}
