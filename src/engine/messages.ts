/**
 * What goes between an engine in another thread and who holds it: requests with ids and their answers, in any order, and events.
 *
 *   holder                          engine
 *     call 1 open ------------------->
 *     <------------------------- log "warning" "..."
 *     call 2 figures ---------------->
 *     <------------------------- result 2
 *     <------------------------- failure 1 {code, message}
 */
import { HoldfastError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { LogLevel } from "../env/env.ts";
import type { Engine } from "./engine.ts";

export type EngineMethod = keyof Engine;

/** The requests there are. */
const ENGINE_METHODS: Readonly<Record<EngineMethod, true>> = {
  open: true,
  serve: true,
  callHost: true,
  serveArrays: true,
  arrayExports: true,
  figures: true,
  stop: true,
};

export function isEngineMethod(name: string): name is EngineMethod {
  return Object.hasOwn(ENGINE_METHODS, name);
}

export interface EngineRequest {
  readonly id: number;
  readonly method: EngineMethod;
  /** The method's argument. */
  readonly argument: unknown;
}

export type EngineMessage =
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly error: ErrorData }
  | { readonly kind: "log"; readonly level: LogLevel; readonly message: string };

/** An error as data: a structured clone keeps no classes of ours. */
export interface ErrorData {
  /** Null for what is no HoldfastError: a mistake of ours. */
  readonly code: ErrorCode | null;
  readonly name: string;
  readonly message: string;
  /** Where it was thrown, on the other side. */
  readonly stack: string | null;
}

export function errorData(thrown: unknown): ErrorData {
  const code = thrown instanceof HoldfastError ? thrown.code : null;
  if (!(thrown instanceof Error)) {
    return { code, name: "Error", message: String(thrown), stack: null };
  }
  const { name, message, stack } = thrown;
  return { code, name, message, stack: stack ?? null };
}

export function errorFrom({ code, name, message, stack }: ErrorData): Error {
  const error = code === null ? new Error(message) : new HoldfastError(code, message);
  error.name = name;
  if (stack !== null) error.stack = stack;
  return error;
}
