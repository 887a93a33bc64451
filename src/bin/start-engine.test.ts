/** Engines in real threads: how their ends are told, and that nothing they do holds up this thread. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { testFolder } from "../../test/support/temp.ts";
import { HoldfastError } from "../base/errors.ts";
import type { OpenCall, RunningEngine } from "../engine/engine.ts";
import { startEngine } from "./start-engine.ts";

const OPEN: OpenCall = { request: { paths: [], force: false }, access: { kind: "read-only" } };
const lines: string[] = [];

/** An engine whose thread runs these lines; `answer(id, value)` answers a request. */
function engineOf(code: string): RunningEngine {
  const path = join(testFolder("thread"), "engine.mjs");
  const head = `
    import { parentPort } from "node:worker_threads";
    const answer = (id, value) => parentPort.postMessage({ kind: "result", id, value });
  `;
  writeFileSync(path, head + code);
  const log = { write: (_level: string, line: string) => void lines.push(line) };
  return startEngine(pathToFileURL(path), log);
}

function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "it did not fail",
    (error: unknown) => error,
  );
}

it("a thread that ends by itself is told with its exit code", async () => {
  const engine = engineOf(`parentPort.on("message", () => process.exit(9));`);
  const error = await failure(engine.open(OPEN));
  expect(error).toBeInstanceOf(HoldfastError);
  expect(error).toMatchObject({ code: "io" });
  expect((error as Error).message).toContain("exit code 9");
  expect(await engine.died).toBe(error);
});

it("a mistake that ends the thread comes out as it is", async () => {
  const engine = engineOf(`parentPort.on("message", () => null.oops);`);
  const error = await failure(engine.open(OPEN));
  expect(error).toBeInstanceOf(TypeError);
  expect((error as Error).stack).toContain("engine.mjs");
});

it("a promise that nobody looks after ends the thread, and is told", async () => {
  const engine = engineOf(`parentPort.on("message", async () => { throw new Error("lost"); });`);
  expect(await failure(engine.open(OPEN))).toMatchObject({ message: "lost" });
});

it.each([
  ["ERR_WORKER_OUT_OF_MEMORY", "no-space", "ran out of memory"],
  ["ERR_WORKER_INIT_FAILED", "unsupported", "No thread can be started"],
])("%s is told in a sentence", async (code, expected, words) => {
  const engine = engineOf(`throw Object.assign(new Error("why"), { code: "${code}" });`);
  const error = await engine.died;
  expect(error).toMatchObject({ code: expected });
  expect(error.message).toContain(words);
});

it("a stop is over when the thread has ended", async () => {
  const engine = engineOf(`
    parentPort.on("message", ({ id }) => {
      parentPort.postMessage({ kind: "log", level: "info", message: "stopping" });
      answer(id, "figures");
      parentPort.close();
      // Keeps the thread for a while longer.
      setImmediate(() => setImmediate(() => {}));
    });`);
  expect(await engine.stop()).toBe("figures");
  expect(lines).toContain("stopping");
  expect(await failure(engine.open(OPEN))).toMatchObject({ code: "shutdown" });
});

it("this thread's timers run while the engine's thread is held up", async () => {
  // The thread waits in one call until ten timers have fired here: if they waited for it, this would never end.
  const fired = new Int32Array(new SharedArrayBuffer(4));
  const engine = engineOf(`
    parentPort.on("message", ({ id, argument }) => {
      while (Atomics.load(argument, 0) < 10) Atomics.wait(argument, 0, Atomics.load(argument, 0));
      answer(id, Atomics.load(argument, 0));
      parentPort.close();
    });`);
  const timer = setInterval(() => {
    Atomics.add(fired, 0, 1);
    Atomics.notify(fired, 0);
  }, 1);
  const answer = await engine.open(fired as unknown as OpenCall);
  clearInterval(timer);
  expect(answer).toBeGreaterThanOrEqual(10);
});
