import { existsSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { describeBackends } from "../../../test/support/backends.ts";
import { testFolder } from "../../../test/support/temp.ts";
import type {
  Connection,
  ConnectionHandlers,
  SocketAddress,
  Sockets,
  TlsSettings,
} from "../sockets.ts";
import { Inbox, withInbox } from "./inbox.ts";

/** What a connection told its handlers. */
class Ear implements ConnectionHandlers {
  data = Buffer.alloc(0);
  drains = 0;
  isEnded = false;
  closed: Error | null | undefined;

  onData(data: Uint8Array): void {
    this.data = Buffer.concat([this.data, data]);
  }
  onDrain(): void {
    this.drains += 1;
  }
  onEnd(): void {
    this.isEnded = true;
  }
  onClose(error: Error | null): void {
    if (this.closed !== undefined) throw new Error("closed twice");
    this.closed = error;
  }
}

/** Has room for what comes, 10 bytes at a time after the first 4. */
class Roomy extends Ear {
  lent = 0;
  filled: number[] = [];
  readonly #room = new Uint8Array(10);

  room(): Uint8Array | null {
    if (this.data.length < 4) return null;
    this.lent += 1;
    return this.#room;
  }
  onFilled(bytes: number): void {
    if (this.isEnded || this.closed !== undefined) throw new Error("a room came back too late");
    this.lent -= 1;
    this.filled.push(bytes);
    this.data = Buffer.concat([this.data, this.#room.subarray(0, bytes)]);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const unixAddress = (): SocketAddress => ({ kind: "unix", path: join(testFolder("sock"), "s") });
const TCP: SocketAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };

/** How an operation failed. */
function reason(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );
}

function ignore(): void {}

function unix(path: string): SocketAddress {
  return { kind: "unix", path };
}

function psk(secret: number): TlsSettings {
  return {
    kind: "psk",
    secrets: new Map([["alice", Buffer.alloc(32, secret)]]),
    identity: "alice",
  };
}

async function pairOn(sockets: Sockets, address: SocketAddress): Promise<[Connection, Connection]> {
  const accepted: Connection[] = [];
  const listener = await sockets.listen(address, (connection) => accepted.push(connection));
  onTestFinished(() => listener.close());
  const client = await sockets.connect(listener.address);
  await until(() => accepted.length === 1);
  onTestFinished(() => {
    client.destroy();
    accepted[0]!.destroy();
  });
  return [client, accepted[0]!];
}

/** What a killed process leaves: a socket nobody listens on. */
async function leaveSocket(path: string): Promise<void> {
  const { linkSync, renameSync } = await import("node:fs");
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  linkSync(path, `${path}.kept`);
  await new Promise((resolve) => server.close(resolve));
  renameSync(`${path}.kept`, path);
}

describeBackends(({ env: { sockets } }) => {
  const pair = (address: SocketAddress) => pairOn(sockets, address);

  describe.each([
    ["unix", unixAddress],
    ["tcp", () => TCP],
  ] as const)("connections over %s", (_name, address) => {
    it("carry pieces in order, and tell when they have left", async () => {
      const [client, server] = await pair(address());
      const [a, b] = [new Ear(), new Ear()];
      client.start(a);
      const order: number[] = [];
      client.write([Buffer.from("one "), Buffer.from("two ")], () => order.push(1));
      client.write([Buffer.from("three")], () => order.push(2));
      client.write([], () => order.push(3));
      await until(() => order.length === 3);
      expect(order).toEqual([3, 1, 2]);
      // Nothing is lost before the other side starts.
      server.start(b);
      await until(() => b.data.length === 13);
      expect(b.data.toString()).toBe("one two three");
    });

    it("end in two halves", async () => {
      const [client, server] = await pair(address());
      const [a, b] = [new Ear(), new Ear()];
      client.start(a);
      server.start(b);
      client.write([Buffer.from("last words")]);
      client.end();
      await until(() => b.isEnded);
      expect(b.data.toString()).toBe("last words");
      server.write([Buffer.from("answer")]);
      await until(() => a.data.length === 6);
      expect(a.closed).toBeUndefined();
      server.end();
      await until(() => a.closed !== undefined && b.closed !== undefined);
      expect([a.closed, b.closed]).toEqual([null, null]);
    });

    it("hold back a writer whose peer does not read, and give all callbacks when destroyed", async () => {
      const [client, server] = await pair(address());
      const [a, b] = [new Ear(), new Ear()];
      client.start(a);
      server.start(b);
      server.pause();
      let sent = 0;
      let writes = 0;
      while (client.queuedBytes < 1 << 20) {
        client.write([Buffer.alloc(1 << 18), Buffer.alloc(1)], () => (sent += 1));
        writes += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(sent).toBeLessThan(writes);
      client.destroy();
      await until(() => a.closed !== undefined);
      expect(sent).toBe(writes);
      let after = 0;
      client.write([Buffer.alloc(1)], () => (after += 1));
      expect(after).toBe(1);
    });

    it("tell that there is room again", async () => {
      const [client, server] = await pair(address());
      const [a, b] = [new Ear(), new Ear()];
      client.start(a);
      server.start(b);
      server.pause();
      while (client.write([Buffer.alloc(1 << 18)])) await new Promise((r) => setImmediate(r));
      server.resume();
      await until(() => a.drains > 0);
      expect(client.write([Buffer.alloc(1)])).toBe(true);
    });

    it("deliver nothing after a pause, from the first moment on", async () => {
      const [client, server] = await pair(address());
      const b = new Ear();
      server.start(b);
      server.pause();
      let sent = 0;
      client.write([Buffer.from("early")], () => (sent += 1));
      await until(() => sent === 1);
      for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(b.data.length).toBe(0);
      server.resume();
      await until(() => b.data.toString() === "early");
    });

    it("put what comes where there is room for it, and give the room back before the end", async () => {
      for (const leave of ["end", "destroy"] as const) {
        const [client, server] = await pair(address());
        const b = new Roomy();
        server.start(b);
        client.write([Buffer.from("0123")]);
        await until(() => b.data.length === 4);
        client.write([Buffer.from("the room is small for this")]);
        await until(() => b.data.length === 30);
        expect(b.data.toString()).toBe("0123the room is small for this");
        expect(Math.max(...b.filled)).toBe(10);
        if (leave === "end") client.end();
        else server.destroy();
        await until(() => (leave === "end" ? b.isEnded : b.closed !== undefined));
        expect(b.lent).toBe(0);
      }
    });

    it("tell a late listener that it is over", async () => {
      const [client, server] = await pair(address());
      client.destroy();
      server.start(new Ear());
      const late = new Ear();
      client.start(late);
      await until(() => late.closed !== undefined);
      expect(late.closed).toBeNull();
    });
  });

  describe("listen and connect", () => {
    it("say what is wrong with an address", async () => {
      const folder = testFolder("sock");
      const file = join(folder, "file");
      writeFileSync(file, "not a socket");
      expect(await reason(sockets.listen(unix(file), ignore))).toMatch(/^busy: .*there already/);
      expect(existsSync(file)).toBe(true);
      const nowhere = join(folder, "no", "s");
      expect(await reason(sockets.listen(unix(nowhere), ignore))).toMatch(
        /^(not-found|permission): /,
      );
      const long = join(folder, "x".repeat(120));
      expect(await reason(sockets.listen(unix(long), ignore))).toMatch(/^usage: .*107 bytes/);
      expect(await reason(sockets.connect(unix(long)))).toMatch(/^usage: /);
      expect(await reason(sockets.connect(unix(join(folder, "s"))))).toMatch(/^not-found: /);
      const strange = { ...TCP, host: "203.0.113.1" };
      expect(await reason(sockets.listen(strange, ignore))).toMatch(/^usage: .*203.0.113.1:0/);
      const listener = await sockets.listen(TCP, ignore);
      expect(await reason(sockets.listen(listener.address, ignore))).toMatch(/^busy: /);
      await listener.close();
      expect(await reason(sockets.connect(listener.address))).toMatch(/^not-found: .*nobody/);
    });

    it("replace a unix socket that a dead process left, and no other", async () => {
      const address = unixAddress() as SocketAddress & { kind: "unix" };
      const first = await sockets.listen(address, (connection) => connection.destroy());
      await expect(sockets.listen(address, () => {})).rejects.toMatchObject({ code: "busy" });
      await first.close();
      expect(existsSync(address.path)).toBe(false);
      await leaveSocket(address.path);
      expect(statSync(address.path).isSocket()).toBe(true);
      const second = await sockets.listen(address, (connection) => connection.destroy());
      const client = await sockets.connect(address);
      client.destroy();
      await second.close();
    });
  });

  describe("TLS with a pre-shared key", () => {
    it("carries on the same connection", async () => {
      const [client, server] = await pair(unixAddress());
      const [a, b] = [new Ear(), new Ear()];
      client.start(a);
      server.start(b);
      client.write([Buffer.from("plain")]);
      await until(() => b.data.length === 5 && client.queuedBytes === 0);
      const [secureServer, secureClient] = await Promise.all([
        server.startTls("server", psk(1)),
        client.startTls("client", psk(1)),
      ]);
      const [c, d] = [new Ear(), new Ear()];
      secureClient.start(c);
      secureServer.start(d);
      let sent = 0;
      secureClient.write([Buffer.alloc(300_000, 1), Buffer.from("end")], () => (sent += 1));
      await until(() => d.data.length === 300_003 && sent === 1);
      secureServer.end();
      await until(() => c.isEnded);
      secureClient.end();
      await until(() => c.closed !== undefined && d.closed !== undefined);
      // The plain sides heard nothing of it.
      expect([a.data.length, b.data.length, a.closed, b.closed]).toEqual([
        0,
        5,
        undefined,
        undefined,
      ]);
    });

    it("fails on both sides with another secret", async () => {
      const [client, server] = await pair(TCP);
      const results = await Promise.allSettled([
        server.startTls("server", psk(1)),
        client.startTls("client", psk(2)),
      ]);
      expect(results.map((result) => result.status)).toEqual(["rejected", "rejected"]);
      for (const result of results)
        expect(result).toMatchObject({
          reason: { code: "protocol", message: /TLS with .* failed/ },
        });
    });

    it("fails when the peer leaves instead of shaking hands", async () => {
      for (const leave of ["end", "destroy"] as const) {
        const [client, server] = await pair(TCP);
        client.start(new Ear());
        const handshake = server.startTls("server", psk(1));
        client[leave]();
        await expect(handshake).rejects.toMatchObject({ code: "protocol" });
      }
    });

    it("can be given up while the peer is silent", async () => {
      const [client, server] = await pair(unixAddress());
      const raw = new Ear();
      client.start(raw);
      const handshake = server.startTls("server", psk(1));
      server.destroy();
      await expect(handshake).rejects.toMatchObject({ code: "protocol" });
    });
  });

  it("sockets that Node accepts are left as they are where they cannot have an inbox", () => {
    const strange = new net.Socket();
    expect(withInbox(strange, new Inbox())).toBeNull();
    expect(strange.destroyed).toBe(false);
    strange.destroy();
  });

  describe("checkTls", () => {
    it("finds out that a certificate cannot be used", async () => {
      await sockets.checkTls({ kind: "psk", secrets: new Map() });
      const bad = { kind: "x509", certificatePem: "x", keyPem: "y", requirePeer: true } as const;
      await expect(sockets.checkTls(bad)).rejects.toMatchObject({ code: "usage" });
    });
  });
});
