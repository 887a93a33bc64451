/**
 * `bin/holdfast open` and the thread that serves: figures while it works, stops in the middle of work, and what is said when the
 * thread dies. The load is that of clients that ask again as soon as they are answered.
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { build } from "../../scripts/build.mjs";
import { goldenCase, unpackToFolder } from "../support/golden.ts";
import type { UnpackedCase } from "../support/golden.ts";
import { schemaProblems } from "../support/json-schema.ts";
import { NbdTestClient } from "../support/nbd-client.ts";
import { HOLDFAST } from "../support/served.ts";
import { testFolder } from "../support/temp.ts";

const ROOT = dirname(dirname(HOLDFAST));

let disks: UnpackedCase;
beforeAll(async () => {
  await build();
  disks = unpackToFolder(goldenCase("raid5-4-ext4"));
});
afterAll(() => disks.remove());

interface FiguresEvent {
  readonly event: string;
  readonly residentBytes: number;
  readonly engine: { readonly backend: string; readonly nbd: { readonly requests: number } };
}

interface Opened {
  readonly socket: string;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Resolves when standard error contains it. */
  readonly said: (text: string) => Promise<void>;
  /** The next line of standard output. */
  readonly event: () => Promise<FiguresEvent>;
  /** Exit code or signal, and what stood on standard error. */
  readonly ended: Promise<{ code: number | string; stderr: string }>;
}

/** Starts `open` on a degraded array with an overlay; resolves when it is ready. */
async function open(
  variables: Readonly<Record<string, string>>,
  args: readonly string[] = ["--overlay"],
  program = join(ROOT, "dist", "holdfast.cjs"),
): Promise<Opened> {
  const paths = disks.disks.filter((_path, index) => index !== 1);
  const child = spawn(process.execPath, [program, "open", "--json", ...paths, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // Where the socket's folder is made: one that is killed leaves it behind.
    env: { ...process.env, XDG_RUNTIME_DIR: testFolder("run"), ...variables },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  let heard = (): void => {};
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
    heard();
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve) => {
      heard = () => {
        if (stderr.includes(text)) resolve();
      };
      heard();
    });
  const ended = new Promise<{ code: number | string; stderr: string }>((resolve) => {
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "nothing", stderr }));
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<unknown> => {
    const next = await lines.next();
    if (next.done === true) throw new Error(`holdfast open said no more: ${stderr}`);
    const event: unknown = JSON.parse(next.value);
    expect(schemaProblems("open", event)).toEqual([]);
    return event;
  };
  const ready = (await line()) as { readonly volumes: readonly { readonly uri: string }[] };
  const socket = /socket=(.*)$/.exec(ready.volumes[0]!.uri)![1]!;
  return {
    socket,
    signal: (signal) => void child.kill(signal),
    said,
    event: () => line() as Promise<FiguresEvent>,
    ended,
  };
}

/** A client that keeps eight requests under way until it is cut off; `answered(n)` resolves when it had n answers. */
class Load {
  readonly over: Promise<void>;
  #answers = 0;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  private constructor(client: NbdTestClient) {
    this.over = this.#run(client);
  }

  static async start(path: string): Promise<Load> {
    return new Load(await NbdTestClient.open({ kind: "unix", path }));
  }

  answered(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count, resolve });
      this.#tell();
    });
  }

  async #run(client: NbdTestClient): Promise<void> {
    const data = Buffer.alloc(8192, 0x5a);
    const ask = (cookie: number): void => {
      const offset = (cookie % 4096) * 8192 + 512;
      if (cookie % 3 === 0) client.request({ type: 1, cookie, offset, data });
      else client.request({ type: 0, cookie, offset, length: data.length });
    };
    try {
      for (let cookie = 1; cookie <= 8; cookie += 1) ask(cookie);
      for (let cookie = 9; ; cookie += 1) {
        await client.reply();
        this.#answers += 1;
        this.#tell();
        ask(cookie);
      }
    } catch {
      // Cut off, at any place: the server is ending.
    } finally {
      client.destroy();
    }
  }

  #tell(): void {
    for (const { count, resolve } of this.#waiting) if (this.#answers >= count) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => this.#answers < count);
  }
}

describe.each([
  ["best", {}],
  ["node", { HOLDFAST_BACKEND: "node" }],
])("holdfast open, backend %s", (_name, variables) => {
  it("answers each SIGUSR1 with figures while it serves, and tells the last ones at the end", async () => {
    const opened = await open(variables);
    const load = await Load.start(opened.socket);
    let requests = 0;
    for (let round = 1; round <= 5; round += 1) {
      await load.answered(round * 200);
      opened.signal("SIGUSR1");
      const figures = await opened.event();
      expect(figures.event).toBe("figures");
      expect(figures.engine.nbd.requests).toBeGreaterThanOrEqual(round * 200);
      expect(figures.engine.nbd.requests).toBeGreaterThan(requests);
      requests = figures.engine.nbd.requests;
    }
    opened.signal("SIGTERM");
    const last = await opened.event();
    expect(last.event).toBe("stopped");
    expect(last.engine.nbd.requests).toBeGreaterThanOrEqual(requests);
    expect((await opened.ended).code).toBe(0);
    await load.over;
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "stops in the middle of work at %s and leaves nothing behind",
    async (signal) => {
      const folder = testFolder("overlay");
      const opened = await open(variables, [`--overlay=${folder}`]);
      const loads = await Promise.all([1, 2, 3].map(() => Load.start(opened.socket)));
      await Promise.all(loads.map((load) => load.answered(100)));
      expect(readdirSync(folder)).toHaveLength(1);
      opened.signal(signal);
      expect((await opened.ended).code).toBe(0);
      await Promise.all(loads.map((load) => load.over));
      expect(existsSync(dirname(opened.socket))).toBe(false);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it("ends at once at the second signal, in the middle of work", async () => {
    const opened = await open(variables);
    // Says nothing and takes no answers, so the stop waits for it.
    const idle = await NbdTestClient.open({ kind: "unix", path: opened.socket });
    idle.socket.pause();
    for (let cookie = 1; cookie <= 64; cookie += 1) {
      idle.request({ type: 0, cookie, offset: 0, length: 1 << 20 });
    }
    const load = await Load.start(opened.socket);
    await load.answered(100);
    opened.signal("SIGINT");
    // The stop is under way once the other client is cut off.
    await load.over;
    opened.signal("SIGINT");
    expect(await opened.ended).toMatchObject({ code: 1 });
    idle.destroy();
    expect(existsSync(dirname(opened.socket))).toBe(false);
  });

  it("is killed", async () => {
    const opened = await open(variables);
    const load = await Load.start(opened.socket);
    await load.answered(100);
    opened.signal("SIGKILL");
    expect((await opened.ended).code).toBe("SIGKILL");
    await load.over;
  });
});

/** The program with some lines in front of what its thread runs. */
function programWith(lines: string): string {
  const folder = testFolder("program");
  cpSync(join(ROOT, "dist"), join(folder, "dist"), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const worker = join(folder, "dist", "engine-worker.cjs");
  renameSync(worker, join(folder, "dist", "real-worker.cjs"));
  writeFileSync(worker, `${lines}\nrequire("./real-worker.cjs");`);
  return join(folder, "dist", "holdfast.cjs");
}

/** What the thread does when figures are wanted. */
function whenAsked(code: string): string {
  return `require("node:worker_threads").parentPort.on("message", ({ method }) => {
    if (method === "figures") ${code}
  });`;
}

it("ends at the second signal when its thread never comes back", async () => {
  const opened = await open({}, [], programWith(whenAsked("for (;;);")));
  opened.signal("SIGUSR1");
  opened.signal("SIGTERM");
  // The main thread says so while the other one is held up for good.
  await opened.said("a second signal stops at once");
  opened.signal("SIGTERM");
  expect((await opened.ended).code).toBe(1);
  expect(existsSync(dirname(opened.socket))).toBe(false);
});

describe("when the thread dies", () => {
  it.each([
    [
      "process.exit(9)",
      /^holdfast: The engine's thread has ended by itself with exit code 9: .*\n$/,
    ],
    [
      "null.oops",
      /^holdfast: this is a bug in holdfast, please report it: TypeError: [^]*worker\.cjs/,
    ],
  ])("by %s: says so, ends with 1, and leaves nothing behind", async (how, expected) => {
    const opened = await open({}, [], programWith(whenAsked(`${how};`)));
    const load = await Load.start(opened.socket);
    await load.answered(10);
    opened.signal("SIGUSR1");
    const { code, stderr } = await opened.ended;
    expect([code, stderr]).toEqual([1, expect.stringMatching(expected) as string]);
    expect(existsSync(dirname(opened.socket))).toBe(false);
    await load.over;
  });

  it("before it was ready", async () => {
    const failed = open({}, [], programWith("process.exit(3);"));
    await expect(failed).rejects.toThrow("ended by itself with exit code 3");
  });
});

it("says what is wrong with HOLDFAST_BACKEND", async () => {
  await expect(open({ HOLDFAST_BACKEND: "floppy" })).rejects.toThrow(
    "HOLDFAST_BACKEND is floppy; it can be node or ring.",
  );
});
