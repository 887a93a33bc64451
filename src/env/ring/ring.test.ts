/** What only a ring has: bounded slots, operations to be canceled, a loop beside Node's. The rest is tested for all backends alike. */
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import { describeUnless } from "../../../test/support/peers.ts";
import { testFolder } from "../../../test/support/temp.ts";
import type { Clock } from "../env.ts";
import type { FileHandle } from "../files.ts";
import { nodeEnv } from "../node/env.ts";
import type { Connection, ConnectionHandlers, SocketAddress } from "../sockets.ts";
import { hostAndPort, systemAddresses } from "./addresses.ts";
import { ringEnv } from "./env.ts";
import type { RingEnv } from "./env.ts";

const opened: RingEnv[] = [];

function open(slots?: number, clock?: Clock): RingEnv {
  const base = clock === undefined ? nodeEnv() : { ...nodeEnv(), clock };
  const env = ringEnv(base, slots === undefined ? {} : { slots });
  if ("unavailable" in env) throw new Error(env.unavailable);
  opened.push(env);
  return env;
}

const probe = ringEnv(nodeEnv());
const why = "unavailable" in probe ? probe.unavailable : null;
if (!("unavailable" in probe)) await probe.stop();

afterEach(async () => {
  for (const env of opened.splice(0)) await env.stop();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function flushed(file: FileHandle): Promise<void> {
  return new Promise((resolve, reject) =>
    file.flush((error) => (error === null ? resolve() : reject(error))),
  );
}

function written(file: FileHandle, data: Uint8Array, offsetBytes: number): Promise<void> {
  return new Promise((resolve, reject) =>
    file.write(data, offsetBytes, (error) => (error === null ? resolve() : reject(error))),
  );
}

function bytesAt(file: FileHandle, offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
  const data = new Uint8Array(lengthBytes);
  return new Promise((resolve, reject) =>
    file.read(data, offsetBytes, (error, bytes) =>
      error === null ? resolve(data.subarray(0, bytes)) : reject(error),
    ),
  );
}

/** Sends back what it gets; counts what ends. */
class Echo implements ConnectionHandlers {
  received = 0;
  isClosed = false;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.start(this);
  }
  onData(data: Uint8Array): void {
    this.received += data.length;
    this.#connection.write([data.slice()]);
  }
  onDrain(): void {}
  onEnd(): void {
    this.#connection.end();
  }
  onClose(): void {
    this.isClosed = true;
  }
}

class Client extends Echo {
  override onData(data: Uint8Array): void {
    this.received += data.length;
  }
}

function unixAddress(): SocketAddress {
  return { kind: "unix", path: join(testFolder("ring"), "s") };
}

describeUnless(why, "ring connections", () => {
  it("leave neither descriptors nor slots behind, however they end", async () => {
    const env = open();
    const echoes: Echo[] = [];
    const listener = await env.sockets.listen(unixAddress(), (connection) =>
      echoes.push(new Echo(connection)),
    );
    const before = { descriptors: descriptors(), operations: env.usage.operations };
    for (let round = 0; round < 20; round += 1) {
      const connections = await Promise.all(
        Array.from({ length: 100 }, () => env.sockets.connect(listener.address)),
      );
      const clients = connections.map((connection) => new Client(connection));
      for (const [i, connection] of connections.entries()) {
        connection.write([Buffer.alloc(1000, i), Buffer.alloc(3000, i)]);
        if (i % 4 === 0) connection.destroy();
        if (i % 4 === 1) connection.end();
      }
      const stays = clients.filter((_, i) => i % 4 >= 2);
      await until(() => stays.every((client) => client.received === 4000));
      await until(() => echoes.length === 100 * (round + 1));
      // Both sides at once, and the far side alone.
      for (const connection of connections) connection.destroy();
      for (const echo of echoes.slice(-50)) echo.onEnd();
      await until(() => env.usage.connections === 0);
      expect(clients.every((client) => client.isClosed)).toBe(true);
    }
    expect(echoes.every((echo) => echo.isClosed)).toBe(true);
    expect({ descriptors: descriptors(), operations: env.usage.operations }).toEqual(before);
    await listener.close();
    expect(env.usage).toEqual({ operations: 0, connections: 0 });
  });

  it("receive into the room they are given, and what follows elsewhere", async () => {
    const env = open();
    const received: Uint8Array[] = [];
    const accepted: Connection[] = [];
    const rooms = [new Uint8Array(70_000), new Uint8Array(300_000)];
    let left = 2;
    const listener = await env.sockets.listen(unixAddress(), (connection) => {
      accepted.push(connection);
      connection.start({
        room: () => (left > 0 ? rooms[2 - left]! : null),
        onFilled: (bytes) => {
          received.push(rooms[2 - left]!.slice(0, bytes));
          left -= 1;
        },
        onData: (data) => received.push(data.slice()),
        onDrain: () => {},
        onEnd: () => connection.end(),
        onClose: () => {},
      });
    });
    const client = await env.sockets.connect(listener.address);
    const heard = new Client(client);
    const data = Buffer.from(Uint8Array.from({ length: 500_000 }, (_, i) => i * 7 + (i >>> 8)));
    client.write([data]);
    client.end();
    await until(() => heard.isClosed);
    expect(Buffer.compare(Buffer.concat(received), data)).toBe(0);
    expect(left).toBe(0);
  });

  it("give room back once the kernel is done with it, before they are closed", async () => {
    for (const how of ["destroy", "stop", "the peer"] as const) {
      const env = open();
      const events: string[] = [];
      const listener = await env.sockets.listen(unixAddress(), (connection) => {
        connection.start({
          room: () => new Uint8Array(100_000),
          onFilled: (bytes) => {
            events.push(`filled ${bytes}`);
            if (how !== "destroy" || bytes === 0) return;
            // The next receive is with the kernel before this takes effect.
            queueMicrotask(() => setImmediate(() => connection.destroy()));
          },
          onData: () => events.push("data"),
          onDrain: () => {},
          onEnd: () => {
            events.push("end");
            connection.end();
          },
          onClose: () => events.push("closed"),
        });
      });
      const client = await env.sockets.connect(listener.address);
      const heard = new Client(client);
      client.write([new Uint8Array(10)]);
      await until(() => events.length > 0);
      if (how === "stop") await env.stop();
      if (how === "the peer") client.end();
      await until(() => heard.isClosed && events.at(-1) === "closed");
      const tail = how === "the peer" ? ["filled 0", "end", "closed"] : ["filled 0", "closed"];
      expect(events).toEqual(["filled 10", ...tail]);
    }
  });

  it("are canceled with data under way in both directions", async () => {
    const env = open();
    const accepted: Connection[] = [];
    const listener = await env.sockets.listen(unixAddress(), (one) => accepted.push(one));
    const client = await env.sockets.connect(listener.address);
    const heard = new Client(client);
    let sent = 0;
    const big = Buffer.alloc(8 << 20, 7);
    client.write([big], () => (sent += 1));
    await until(() => accepted.length === 1 && env.usage.operations >= 3);
    client.destroy();
    expect([sent, heard.isClosed]).toEqual([0, false]);
    await until(() => heard.isClosed);
    expect(sent).toBe(1);
  });

  it("are all closed by stop, which ends when nothing is in flight", async () => {
    const before = descriptors();
    const env = open();
    const listener = await env.sockets.listen(unixAddress(), (one) => void new Echo(one));
    const clients: Client[] = [];
    for (let i = 0; i < 10; i += 1)
      clients.push(new Client(await env.sockets.connect(listener.address)));
    await until(() => env.usage.connections === 20);
    await env.stop();
    expect(clients.every((client) => client.isClosed)).toBe(true);
    expect(env.usage).toEqual({ operations: 0, connections: 0 });
    expect(descriptors()).toBe(before);
    await expect(env.sockets.connect(listener.address)).rejects.toMatchObject({ code: "io" });
  });

  it("are refused when they would take the slots that files need", async () => {
    const env = open(16);
    const echoes: Echo[] = [];
    const listener = await env.sockets.listen(unixAddress(), (one) => echoes.push(new Echo(one)));
    // Of 16 slots connections get 8, two each: two clients with their far sides.
    const clients = [
      new Client(await env.sockets.connect(listener.address)),
      new Client(await env.sockets.connect(listener.address)),
    ];
    await until(() => env.usage.connections === 4);
    await expect(env.sockets.connect(listener.address)).rejects.toMatchObject({ code: "io" });
    expect(clients.some((client) => client.isClosed)).toBe(false);
  });
});

describeUnless(why, "ring files", () => {
  it("wait for a slot when there are more operations than slots", async () => {
    const env = open(4);
    const file = await env.files.open(join(testFolder("ring"), "f"), "create-new");
    await written(file, Buffer.alloc(4096, 1), 0);
    const all = Promise.all(Array.from({ length: 100 }, () => flushed(file)));
    expect(env.usage.operations).toBe(100);
    await all;
    expect(env.usage.operations).toBe(0);
    await file.close();
  });

  it("close after what is in flight", async () => {
    const env = open(2);
    const file = await env.files.open(join(testFolder("ring"), "f"), "create-new");
    let ended = 0;
    for (let i = 0; i < 20; i += 1) file.flush(() => (ended += 1));
    await file.close();
    expect(ended).toBe(20);
  });

  it("complete at once without deepening the stack", async () => {
    const env = open();
    const path = join(testFolder("ring"), "f");
    writeFileSync(path, Buffer.alloc(8192, 3));
    const file = await env.files.open(path, "read-write");
    const data = new Uint8Array(512);
    let left = 50_000;
    await new Promise<void>((resolve, reject) => {
      const next = (error: Error | null): void => {
        left -= 1;
        if (error !== null) reject(error);
        else if (left === 0) resolve();
        else if (left % 2 === 0) file.read(data, (left % 16) * 512, next);
        else file.write(data, (left % 16) * 512, next);
      };
      next(null);
    });
    expect(left).toBe(0);
    await file.close();
  });

  it.skipIf(availableParallelism() === 1)(
    "go through the ring where they are large, so that another processor copies",
    async () => {
      const env = open();
      const file = await env.files.open(join(testFolder("ring"), "f"), "create-new");
      const data = Buffer.alloc(128 * 1024, 5);
      const large = written(file, data, 0);
      expect(env.usage.operations).toBe(1);
      await large;
      await written(file, Buffer.alloc(4096, 6), 4096);
      expect(env.usage.operations).toBe(0);
      data.fill(6, 4096, 8192);
      expect(sameBytes(await bytesAt(file, 0, data.length), data)).toBe(true);
      await file.close();
    },
  );

  it.skipIf(availableParallelism() === 1)(
    "are read by another processor where that is much, two at a time, and the others here",
    async () => {
      const env = open();
      const path = join(testFolder("ring"), "f");
      const content = Buffer.alloc(1024 * 1024);
      for (let at = 0; at < content.length; at += 4) content.writeUInt32LE(at, at);
      writeFileSync(path, content);
      const file = await env.files.open(path, "read");
      const large = 256 * 1024;
      const reads = [0, 1, 2, 3].map((at) => bytesAt(file, at * large, large));
      expect(env.usage.operations).toBe(2);
      for (const [at, bytes] of (await Promise.all(reads)).entries())
        expect(sameBytes(bytes, content.subarray(at * large, (at + 1) * large))).toBe(true);
      // Beyond the end, once more by the other: those before have been counted off.
      const last = bytesAt(file, content.length - 100, large);
      expect(env.usage.operations).toBe(1);
      expect((await last).length).toBe(100);
      expect(env.usage.operations).toBe(0);
      await file.close();
    },
  );

  it("go through the ring where calls turn out to be slow", async () => {
    let nowMs = 0;
    // Each look at the clock finds a second gone.
    const env = open(64, { wallMs: () => nowMs, monotonicMs: () => (nowMs += 1000) });
    const file = await env.files.open(join(testFolder("ring"), "f"), "create-new");
    await written(file, Buffer.alloc(1000, 1), 0);
    const slowAtMs = nowMs;
    const second = written(file, Buffer.alloc(50_000, 2), 1000);
    expect(env.usage.operations).toBe(1);
    await second;
    // It looked whether the rest is over, and timed nothing.
    expect(nowMs).toBe(slowAtMs + 1000);
    expect(file.sizeBytes).toBe(51_000);
    const all = await bytesAt(file, 0, 60_000);
    expect(all.length).toBe(51_000);
    expect(all.every((byte, at) => byte === (at < 1000 ? 1 : 2))).toBe(true);
    await file.close();
  });

  it("read what is not in the page cache, in small memory of any kind", async () => {
    const env = open();
    const path = join(testFolder("ring"), "f");
    writeFileSync(path, Buffer.from(Array.from({ length: 65536 }, (_, i) => i % 251)));
    const file = await env.files.open(path, "read-write");
    await flushed(file);
    for (const length of [1, 7, 63, 4096]) {
      const data = await bytesAt(file, 5000, length);
      expect([...data]).toEqual(Array.from({ length }, (_, i) => (5000 + i) % 251));
    }
    const shared = new Uint8Array(new SharedArrayBuffer(300), 100, 50);
    await new Promise<void>((resolve) => file.read(shared, 251, () => resolve()));
    expect([...shared]).toEqual(Array.from({ length: 50 }, (_, i) => i));
    await file.close();
  });

  it("tell an error of the system in a sentence", async () => {
    const env = open();
    const path = join(testFolder("ring"), "f");
    writeFileSync(path, "x");
    const file = await env.files.open(path, "read");
    await expect(written(file, Buffer.alloc(10), 0)).rejects.toThrow(`${path} `);
    await file.close();
  });
});

const ECHO = `(one) => one.start({
  onData: (data) => one.write([data.slice()]), onDrain() {}, onEnd: () => one.end(), onClose() {},
})`;

describeUnless(why, "a ring in a worker", () => {
  const script = (lines: string): Worker => {
    const root = new URL("../../../", import.meta.url).href;
    const code = `
      import { parentPort } from "node:worker_threads";
      import ${JSON.stringify(`${root}scripts/ts-hook.mjs`)};
      import { register } from "node:module";
      register(${JSON.stringify(`${root}scripts/ts-hook.mjs`)});
      const { nodeEnv } = await import(${JSON.stringify(`${root}src/env/node/env.ts`)});
      const { ringEnv } = await import(${JSON.stringify(`${root}src/env/ring/env.ts`)});
      const env = ringEnv(nodeEnv());
      ${lines}`;
    return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  };

  it("ends by itself once everything is closed", async () => {
    const address = unixAddress();
    const worker = script(`
      const listener = await env.sockets.listen(${JSON.stringify(address)}, () => {});
      await listener.close();
      parentPort.postMessage("closed");`);
    const exited = once(worker, "exit");
    expect(await once(worker, "message")).toEqual(["closed"]);
    expect(await exited).toEqual([0]);
  });

  it("hears messages and timers while it waits, and serves", async () => {
    const address = unixAddress();
    const worker = script(`
      await env.sockets.listen(${JSON.stringify(address)}, ${ECHO});
      parentPort.on("message", () => {
        env.timers.set(1, async () => {
          await env.stop();
          parentPort.close();
        });
      });
      parentPort.postMessage("ready");`);
    const exited = once(worker, "exit");
    await once(worker, "message");
    const client = await nodeEnv().sockets.connect(address);
    const heard = new Client(client);
    client.write([Buffer.alloc(100_000, 5)]);
    await until(() => heard.received === 100_000);
    worker.postMessage("stop");
    expect(await exited).toEqual([0]);
    await until(() => heard.isClosed);
  });

  it("can be terminated in the middle of traffic", async () => {
    const address = unixAddress();
    const worker = script(`
      await env.sockets.listen(${JSON.stringify(address)}, ${ECHO});
      parentPort.postMessage("ready");`);
    await once(worker, "message");
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => nodeEnv().sockets.connect(address)),
    );
    const heard = clients.map((client) => new Client(client));
    for (const client of clients) client.write([Buffer.alloc(100_000)]);
    await until(() => heard.every((one) => one.received > 0));
    for (const client of clients) client.write([Buffer.alloc(100_000)]);
    // The process lives on; what the thread had open stays open, which is why it should be stopped instead.
    expect(await worker.terminate()).toBe(1);
    for (const client of clients) client.destroy();
    await until(() => heard.every((one) => one.isClosed));
  });
});

it("socket addresses are those of the kernel, and come back", async () => {
  const there = async (host: string): Promise<string> => {
    const [bytes] = await systemAddresses({ kind: "tcp", host, port: 10809 });
    const found = hostAndPort(bytes!)!;
    return `${bytes!.length} ${found.host} ${found.port}`;
  };
  expect(await there("127.0.0.1")).toBe("16 127.0.0.1 10809");
  expect(await there("::1")).toBe("28 ::1 10809");
  expect(await there("2001:db8:0:0:8::1")).toBe("28 2001:db8::8:0:0:1 10809");
  expect(await there("::ffff:10.1.2.3")).toBe("28 ::ffff:10.1.2.3 10809");
  const [unix] = await systemAddresses({ kind: "unix", path: "/s" });
  expect([...unix!]).toEqual([1, 0, 47, 115, 0]);
  expect(hostAndPort(new Uint8Array([1, 0, 0, 0]))).toBeNull();
});
