/** Answers for an engine, in its thread. */
import type { Engine } from "./engine.ts";
import { errorData, isEngineMethod } from "./messages.ts";
import type { EngineMessage, EngineRequest } from "./messages.ts";

/** The engine's end of the way to who holds it. */
export interface HostPort {
  send(message: EngineMessage): void;
  receive(handler: (request: EngineRequest) => void): void;
}

/**
 * Takes requests from now on, and works on them once the engine is there; when it cannot be started, each is answered with why.
 * Resolves when a stop has been answered, however that went.
 */
export function hostEngine(port: HostPort, starting: Promise<Engine>): Promise<void> {
  // Nobody may be asking yet.
  starting.catch(() => {});
  return new Promise((resolve) => {
    port.receive((request) => {
      void answer(port, starting, request).then(() => {
        if (request.method === "stop") resolve();
      });
    });
  });
}

async function answer(
  port: HostPort,
  starting: Promise<Engine>,
  { id, method, argument }: EngineRequest,
): Promise<void> {
  try {
    if (!isEngineMethod(method)) throw new Error(`an engine has no ${String(method)}`);
    const engine = await starting;
    // The types of holder and engine are the same interface's.
    const work = engine[method].bind(engine) as (given: unknown) => Promise<unknown>;
    port.send({ kind: "result", id, value: await work(argument) });
  } catch (error) {
    port.send({ kind: "failure", id, error: errorData(error) });
  }
}
