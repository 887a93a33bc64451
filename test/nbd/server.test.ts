/** The server on real sockets with a client that does what it should not, and how it stops. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Env, Timer } from "../../src/env/env.ts";
import type { NbdServer, NbdServerOptions } from "../../src/nbd/server.ts";
import { startNbdServer } from "../../src/nbd/server.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { describeBackends } from "../support/backends.ts";
import { NbdTestClient } from "../support/nbd-client.ts";
import { infoData, optionBytes, requestBytes } from "../support/nbd-wire.ts";
import { testFolder } from "../support/temp.ts";

/** Real sockets; time passes when the test says so. */
class ManualEnv {
  nowMs = 0;
  readonly lines: string[] = [];
  readonly env: Env;
  #timers: { atMs: number; fire: () => void }[] = [];

  constructor(base: Env) {
    const timers = {
      set: (delayMs: number, fire: () => void): Timer => {
        const entry = { atMs: this.nowMs + delayMs, fire };
        this.#timers.push(entry);
        return { cancel: () => (this.#timers = this.#timers.filter((one) => one !== entry)) };
      },
    };
    const clock = { wallMs: () => this.nowMs, monotonicMs: () => this.nowMs };
    const log = { write: (_level: string, line: string) => void this.lines.push(line) };
    this.env = { ...base, timers, clock, log };
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.nowMs = next.atMs;
      next.fire();
    }
    this.nowMs = endMs;
  }
}

type OpenOptions = Parameters<typeof NbdTestClient.open>[1];

interface Setup {
  readonly time: ManualEnv;
  readonly device: ArrayDevice;
  readonly server: NbdServer;
  readonly open: (options?: OpenOptions) => Promise<NbdTestClient>;
}

describeBackends(({ env: backendEnv }) => {
  async function setup(options: Partial<NbdServerOptions> = {}): Promise<Setup> {
    const time = new ManualEnv(backendEnv);
    const device = new ArrayDevice(2048);
    const path = join(testFolder("nbd"), "s");
    const server = await startNbdServer(time.env, {
      listen: { kind: "unix", path },
      exports: [{ name: "vol", device }],
      ...options,
    });
    const clients: NbdTestClient[] = [];
    onTestFinished(async () => {
      for (const client of clients) client.destroy();
      device.held = false;
      while (device.pending.length > 0) device.finish();
      const stopped = server.stop();
      await settle();
      time.pass(60_000);
      await stopped;
    });
    const open: Setup["open"] = async (how) => {
      const client = await NbdTestClient.open(server.address, how);
      clients.push(client);
      return client;
    };
    return { time, device, server, open };
  }

  /** Lets sockets of this process do what they have to do. */
  async function settle(): Promise<void> {
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  describe("NbdServer", () => {
    it("says where it is", async () => {
      const { server } = await setup({ listen: { kind: "tcp", host: "127.0.0.1", port: 0 } });
      const { address } = server;
      expect(address).toMatchObject({ kind: "tcp", host: "127.0.0.1" });
      expect(server.uri("vol")).toMatch(/^nbd:\/\/127\.0\.0\.1:[1-9]\d*\/vol$/);
      const everywhere = await setup({ listen: { kind: "tcp", host: "0.0.0.0", port: 0 } });
      expect(everywhere.server.uri("")).toMatch(/^nbd:\/\/localhost:\d+\/$/);
    });

    it("serves, counts and forgets clients", async () => {
      const { server, open, device } = await setup();
      const client = await open({ mode: "structured" });
      const other = await open();
      expect(await client.errno({ type: 1, offset: 3, data: Buffer.alloc(10, 7) })).toBe(0);
      expect((await other.call({ type: 0, offset: 3, length: 10 }))[0]!.payload).toEqual(
        Buffer.alloc(10, 7),
      );
      expect(await other.errno({ type: 99, length: 1 })).toBe(22);
      expect(device.bytes[12]).toBe(7);
      expect(server.stats).toMatchObject({
        connections: 2,
        accepted: 2,
        requests: 3,
        failed: 1,
        readBytes: 10,
        writtenBytes: 10,
        heldBytes: 0,
      });
      client.request({ type: 2 });
      expect(await client.closed()).toHaveLength(0);
      client.socket.end();
      other.destroy();
      await until(() => server.stats.connections === 0);
      expect(server.stats.dropped).toBe(0);
    });

    it("drops who breaks the protocol, says why, and serves the others on", async () => {
      const { server, open, time } = await setup();
      const good = await open();
      const bad = await open();
      bad.send(Buffer.alloc(100, 0x55));
      await bad.closed();
      expect(time.lines.join()).toMatch(/dropped: a request starts with 0x55555555/);
      expect(await good.errno({ type: 3 })).toBe(0);
      expect(server.stats.dropped).toBe(1);
    });

    it("bounds the number of connections", async () => {
      const { server, open } = await setup({ limits: { maxConnections: 2 } });
      const first = await open();
      await open();
      await expect(open()).rejects.toThrow("closed");
      expect(server.stats.refused).toBe(1);
      first.destroy();
      await until(() => server.stats.connections === 1);
      await open();
    });

    it("turns half-open and silent clients out of the handshake", async () => {
      const { time, server } = await setup();
      const silent = await NbdTestClient.connect(server.address);
      await silent.greet();
      await until(() => server.stats.connections === 1);
      time.pass(5000);
      time.pass(70_000);
      await silent.closed();
      expect(server.stats.dropped).toBe(1);
      expect(time.lines.join()).toContain("the handshake takes too long");
    });

    it("holds back a client that asks and does not read, in bounded memory", async () => {
      const limits = { maxHeldBytesPerConnection: 1 << 20, maxRequestsPerConnection: 64 };
      const { server, open, time } = await setup({ limits });
      const greedy = await open();
      const other = await open();
      greedy.socket.pause();
      for (let i = 0; i < 200; i += 1)
        greedy.send(requestBytes("simple", { type: 0, length: 65536 }));
      await settle();
      expect(server.stats.heldBytes).toBeGreaterThan(0);
      expect(server.stats.peakHeldBytes).toBeLessThanOrEqual(1 << 20);
      expect(await other.errno({ type: 3 })).toBe(0);
      // Reading on, it gets everything.
      greedy.socket.resume();
      await until(() => greedy.receivedBytes === 200 * (65536 + 16));
      expect(server.stats.heldBytes).toBe(0);
      // Not reading at all, it is dropped some time.
      greedy.socket.pause();
      for (let i = 0; i < 200; i += 1)
        greedy.send(requestBytes("simple", { type: 0, length: 65536 }));
      await until(() => server.stats.heldBytes > 0);
      await settle();
      time.pass(5000);
      time.pass(1_200_000);
      await until(() => server.stats.connections === 1);
      expect(time.lines.join()).toContain("does not take its replies");
      expect(server.stats.heldBytes).toBe(0);
    });

    it("lets go of clients that vanish with requests in flight, once the device is done", async () => {
      const { server, open, device } = await setup({
        listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
      });
      const [reset, closed] = [await open(), await open()];
      device.held = true;
      reset.request({ type: 1, data: Buffer.alloc(4096, 1) });
      closed.request({ type: 1, offset: 8192, data: Buffer.alloc(4096, 1) });
      await until(() => device.pending.length === 2);
      reset.socket.resetAndDestroy();
      await until(() => server.stats.connections === 1);
      // This one might only have closed its sending side, and gets its answer.
      closed.destroy();
      await settle();
      device.finish();
      device.finish();
      await until(() => server.stats.connections === 0);
      expect(device.bytes[0]).toBe(1);
      expect(server.stats.heldBytes).toBe(0);
    });

    it("refuses what makes no sense", async () => {
      const env = backendEnv;
      const device = new ArrayDevice(1);
      const path = join(testFolder("nbd"), "s");
      const listen = { kind: "unix", path } as const;
      const start = (more: Partial<NbdServerOptions>) =>
        startNbdServer(env, { listen, exports: [{ name: "", device }], ...more });
      await expect(start({ limits: { maxPayloadBytes: 100_000 } })).rejects.toThrow("power of two");
      await expect(start({ limits: { maxOptions: NaN } })).rejects.toThrow("maxOptions");
      const settings = {
        kind: "x509",
        certificatePem: "no",
        keyPem: "no",
        requirePeer: false,
      } as const;
      await expect(start({ tls: { mode: "on", settings } })).rejects.toThrow("TLS certificate");
      const twice = [
        { name: "a", device },
        { name: "a", device },
      ];
      await expect(start({ exports: twice })).rejects.toMatchObject({ code: "usage" });
      expect(existsSync(path)).toBe(false);
    });
  });

  describe("stop", () => {
    it("ends at once when nothing is in flight, and removes the socket", async () => {
      const { server, open } = await setup();
      const client = await open();
      const { address } = server;
      await Promise.all([server.stop(), client.closed().then(() => client.socket.end())]);
      expect(server.stats.connections).toBe(0);
      expect(address.kind === "unix" && existsSync(address.path)).toBe(false);
      await expect(NbdTestClient.connect(address)).rejects.toThrow("ENOENT");
    });

    it("lets requests in flight end, answers later ones with ESHUTDOWN", async () => {
      const { server, open, device } = await setup();
      const client = await open({ mode: "structured" });
      device.held = true;
      client.request({ type: 1, cookie: 1, data: Buffer.alloc(512, 1) });
      await until(() => device.pending.length === 1);
      const stopped = server.stop();
      expect(await client.errno({ type: 0, cookie: 2, length: 512 })).toBe(108);
      device.finish();
      expect(await client.chunk()).toMatchObject({ cookie: 1n, errno: 0 });
      await client.closed();
      client.socket.end();
      await stopped;
      expect(device.bytes[0]).toBe(1);
    });

    it("tells clients in the handshake, and does not wait for them long", async () => {
      const { server, time } = await setup();
      const polite = await NbdTestClient.connect(server.address);
      await polite.greet();
      const silent = await NbdTestClient.connect(server.address);
      await silent.greet();
      await until(() => server.stats.connections === 2);
      await settle();
      const stopped = server.stop();
      await settle();
      const replies = await polite.option(7, infoData("vol"));
      expect(replies.at(-1)!.type).toBe(0x8000_0007);
      polite.send(optionBytes(2));
      expect((await polite.optionReply()).type).toBe(1);
      polite.socket.end();
      time.pass(1000);
      await silent.closed();
      await stopped;
    });

    it("cuts off what does not end in time", async () => {
      const { server, open, time, device } = await setup();
      const client = await open();
      device.held = true;
      client.request({ type: 0, length: 512 });
      await until(() => device.pending.length === 1);
      let isOver = false;
      const stopped = server.stop().then(() => (isOver = true));
      await settle();
      time.pass(1000);
      await settle();
      time.pass(28_999);
      await settle();
      expect(isOver).toBe(false);
      time.pass(1);
      await client.closed();
      await settle();
      expect(isOver).toBe(false);
      // The device still has the buffer: a little longer, then it is not waited for any more.
      time.pass(1000);
      await stopped;
      expect(time.lines.join()).toContain("still with a device");
    });

    it("may be called again", async () => {
      const { server } = await setup();
      const first = server.stop();
      expect(server.stop()).toBe(first);
      await first;
      await server.stop();
    });
  });
});
