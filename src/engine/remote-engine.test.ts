/** Both ends of the way to an engine, with a structured clone in between and no thread. */
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../base/errors.ts";
import type { Engine, EngineEnd, EngineFigures, OpenCall, OpenedByEngine } from "./engine.ts";
import { hostEngine } from "./engine-host.ts";
import type { EngineMessage, EngineRequest } from "./messages.ts";
import { RemoteEngine } from "./remote-engine.ts";

const FIGURES: EngineFigures = {
  backend: "fake",
  elapsedMs: 1,
  nbd: null,
  arena: null,
  loopDelay: { p50Ms: 0, p99Ms: 0, maxMs: 0 },
  arrays: [],
};

const END: EngineEnd = { figures: FIGURES, arrays: [] };
const OPEN: OpenCall = { request: { paths: ["a"], force: false }, access: { kind: "read-only" } };
const NOTHING: OpenedByEngine = { volumes: [], refused: [] };

/** What each side posts arrives at the other a moment later, in order, cloned. */
class FakeWay {
  #toEngine: (request: EngineRequest) => void = () => {};
  #toHolder: (message: EngineMessage) => void = () => {};
  #gone: (error: Error | null) => void = () => {};
  readonly logged: string[] = [];
  readonly remote: RemoteEngine;

  constructor() {
    const port = {
      send: (request: EngineRequest): void => {
        const clone = structuredClone(request);
        queueMicrotask(() => this.#toEngine(clone));
      },
      start: (
        received: (message: EngineMessage) => void,
        gone: (error: Error | null) => void,
      ): void => {
        this.#toHolder = received;
        this.#gone = gone;
      },
    };
    const log = {
      write: (level: string, line: string) => void this.logged.push(`${level}: ${line}`),
    };
    this.remote = new RemoteEngine(port, log);
  }

  /** As the worker does: it hosts an engine, and goes once that was stopped. */
  host(engine: Promise<Engine>): void {
    const receive = (handler: (request: EngineRequest) => void): void => {
      this.#toEngine = handler;
    };
    void hostEngine({ send: (message) => this.say(message), receive }, engine).then(() =>
      this.end(null),
    );
  }

  say(message: EngineMessage): void {
    const clone = structuredClone(message);
    queueMicrotask(() => this.#toHolder(clone));
  }

  end(error: Error | null): void {
    // After what was said before.
    queueMicrotask(() => this.#gone(error));
  }
}

function fakeEngine(changes: Partial<Engine>): Promise<Engine> {
  return Promise.resolve({
    open: () => Promise.resolve(NOTHING),
    serve: () => Promise.reject(new Error("not expected")),
    callHost: () => Promise.reject(new Error("not expected")),
    serveArrays: () => Promise.reject(new Error("not expected")),
    arrayExports: () => Promise.resolve([]),
    figures: () => Promise.resolve(FIGURES),
    stop: () => Promise.resolve(END),
    ...changes,
  });
}

function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "it did not fail",
    (error: unknown) => error,
  );
}

describe("an engine at the other end", () => {
  it("gets requests as they were made, and its answers come back, in any order", async () => {
    const way = new FakeWay();
    const calls: OpenCall[] = [];
    let answerOpen: (opened: OpenedByEngine) => void = () => {};
    const open = (call: OpenCall): Promise<OpenedByEngine> => {
      calls.push(call);
      return new Promise((resolve) => (answerOpen = resolve));
    };
    way.host(fakeEngine({ open }));
    const opened = way.remote.open(OPEN);
    expect(await way.remote.figures()).toEqual(FIGURES);
    expect(calls).toEqual([OPEN]);
    answerOpen(NOTHING);
    expect(await opened).toEqual(NOTHING);
  });

  it("takes secrets as data", async () => {
    const way = new FakeWay();
    const secrets = new Map([["alice", new Uint8Array([1, 2, 3])]]);
    const address = { kind: "unix", path: "/s" } as const;
    const heard: unknown[] = [];
    const serve: Engine["serve"] = (call) => {
      heard.push(call);
      return Promise.resolve({ address, uris: [] });
    };
    way.host(fakeEngine({ serve }));
    const tls = { mode: "require", settings: { kind: "psk", secrets } } as const;
    const call = { listen: address, exports: [], tls };
    await way.remote.serve(call);
    expect(heard).toEqual([call]);
  });

  it("fails with HoldfastErrors as they were thrown", async () => {
    const way = new FakeWay();
    const refused = new HoldfastError("not-found", "There is no a.");
    way.host(fakeEngine({ open: () => Promise.reject(refused) }));
    const error = await failure(way.remote.open(OPEN));
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({ code: "not-found", message: "There is no a." });
  });

  it("fails with mistakes as what they are, and where they were made", async () => {
    const way = new FakeWay();
    way.host(fakeEngine({ open: () => Promise.reject(new TypeError("x is undefined")) }));
    const error = (await failure(way.remote.open(OPEN))) as Error;
    expect(error).not.toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({ name: "TypeError", message: "x is undefined" });
    expect(error.stack).toContain("remote-engine.test.ts");
  });

  it("logs here", async () => {
    const way = new FakeWay();
    way.host(fakeEngine({}));
    way.say({ kind: "log", level: "warning", message: "a is short" });
    await way.remote.figures();
    expect(way.logged).toEqual(["warning: a is short"]);
  });

  it("that cannot be started answers everything with why, and still ends", async () => {
    const way = new FakeWay();
    way.host(Promise.reject(new HoldfastError("unsupported", "There is no io_uring.")));
    const why = { code: "unsupported", message: "There is no io_uring." };
    expect(await failure(way.remote.open(OPEN))).toMatchObject(why);
    expect(await failure(way.remote.figures())).toMatchObject(why);
    expect(await failure(way.remote.stop())).toMatchObject(why);
  });
});

describe("stopping an engine at the other end", () => {
  it("is over when the other side has gone, not when it has answered", async () => {
    const way = new FakeWay();
    const order: string[] = [];
    const stopped = way.remote.stop().then(() => order.push("stopped"));
    way.say({ kind: "result", id: 1, value: END });
    queueMicrotask(() => order.push("answered"));
    for (let i = 0; i < 20; i += 1) await Promise.resolve();
    order.push("gone");
    way.end(null);
    await stopped;
    expect(order).toEqual(["answered", "gone", "stopped"]);
  });

  it("leaves nobody waiting who has no answer by then", async () => {
    const way = new FakeWay();
    way.host(fakeEngine({ callHost: () => new Promise(() => {}) }));
    const waiting = failure(way.remote.callHost({ method: "wait", argument: "md0" }));
    await way.remote.stop();
    expect(await waiting).toMatchObject({ code: "shutdown" });
  });

  it("happens once; later requests are refused", async () => {
    const way = new FakeWay();
    let stops = 0;
    const stop = (): Promise<EngineEnd> => {
      stops += 1;
      return Promise.resolve(END);
    };
    way.host(fakeEngine({ stop }));
    const first = way.remote.stop();
    expect(way.remote.stop()).toBe(first);
    expect(await failure(way.remote.figures())).toMatchObject({ code: "shutdown" });
    expect(await first).toEqual(END);
    expect(stops).toBe(1);
    expect(await failure(way.remote.open(OPEN))).toMatchObject({ code: "shutdown" });
  });

  it("fails when the other side breaks after its answer", async () => {
    const way = new FakeWay();
    const stopped = way.remote.stop();
    way.say({ kind: "result", id: 1, value: END });
    const broken = new Error("the ring could not be closed");
    way.end(broken);
    expect(await failure(stopped)).toBe(broken);
  });
});

describe("an engine that dies", () => {
  it.each([
    ["of something", new HoldfastError("no-space", "It ran out of memory.")],
    ["of a mistake", new RangeError("index 7")],
  ])("%s: everything that waits, and that comes later, fails with it", async (_name, death) => {
    const way = new FakeWay();
    const waiting = [way.remote.open(OPEN), way.remote.figures()].map(failure);
    way.end(death);
    expect(await way.remote.died).toBe(death);
    expect(await Promise.all(waiting)).toEqual([death, death]);
    expect(await failure(way.remote.figures())).toBe(death);
    expect(await failure(way.remote.stop())).toBe(death);
  });

  it("without a word is an error too", async () => {
    const way = new FakeWay();
    const waiting = failure(way.remote.open(OPEN));
    way.end(null);
    expect(await waiting).toMatchObject({ code: "io" });
    expect((await way.remote.died).message).toContain("without being asked");
  });

  it("while it is being stopped", async () => {
    const way = new FakeWay();
    const stopped = failure(way.remote.stop());
    const death = new Error("crash");
    way.end(death);
    expect(await stopped).toBe(death);
  });
});
