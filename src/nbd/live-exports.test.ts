/** Exports that come and go while clients are there, and several places to listen at, over real sockets. */
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { describeBackends } from "../../test/support/backends.ts";
import { NbdTestClient } from "../../test/support/nbd-client.ts";
import { testFolder } from "../../test/support/temp.ts";
import { FaultyDevice } from "../devices/faulty.ts";
import type { Env } from "../env/env.ts";
import { startNbdServer } from "./server.ts";
import type { NbdServer } from "./server.ts";

const READ = { type: 0, offset: 0, length: 512 } as const;

/** Holds all requests; resolves with the first. */
function holding(device: FaultyDevice): Promise<void> {
  return new Promise((resolve) =>
    device.hold(() => {
      resolve();
      return true;
    }),
  );
}

async function serverOn(env: Env): Promise<NbdServer> {
  const folder = testFolder("exports");
  const server = await startNbdServer(env, {
    listen: { kind: "unix", path: join(folder, "s") },
    alsoListen: [{ listen: { kind: "tcp", host: "127.0.0.1", port: 0 } }],
    exports: [{ name: "a", device: new ArrayDevice(8) }],
    limits: { stopTimeoutMs: 2000 },
  });
  onTestFinished(() => server.stop());
  return server;
}

describeBackends(({ env }) => {
  describe("exports", () => {
    it("that are added are there for new clients, at every place", async () => {
      const server = await serverOn(env);
      await expect(NbdTestClient.open(server.address, { name: "b" })).rejects.toThrow("no export");
      server.addExport({ name: "b", device: new ArrayDevice(16) });
      expect(() => server.addExport({ name: "b", device: new ArrayDevice(16) })).toThrow("Two");
      const [local, tcp] = server.uris("b");
      expect(local).toBe(server.uri("b"));
      const port = Number(/^nbd:\/\/127\.0\.0\.1:(\d+)\/b$/.exec(tcp!)![1]);
      for (const address of [server.address, { kind: "tcp", host: "127.0.0.1", port } as const]) {
        const client = await NbdTestClient.open(address, { name: "b" });
        expect(await client.errno(READ)).toBe(0);
        client.destroy();
      }
    });

    it("that are removed lose their clients once these have their answers; others stay", async () => {
      const server = await serverOn(env);
      const device = new FaultyDevice(new ArrayDevice(8));
      server.addExport({ name: "b", device });
      const other = await NbdTestClient.open(server.address, { name: "a" });
      const client = await NbdTestClient.open(server.address, { name: "b" });
      expect([server.clientsOf("a"), server.clientsOf("b"), server.clientsOf("c")]).toEqual([
        1, 1, 0,
      ]);
      const held = holding(device);
      const answer = client.errno(READ);
      await held;
      let isGone = false;
      const removed = server.removeExport("b").then(() => (isGone = true));
      await expect(NbdTestClient.open(server.address, { name: "b" })).rejects.toThrow("no export");
      expect(isGone).toBe(false);
      device.release();
      expect(await answer).toBe(0);
      await removed;
      expect(server.clientsOf("b")).toBe(0);
      expect(await other.errno(READ)).toBe(0);
      await server.removeExport("b");
      other.destroy();
      client.destroy();
    });

    it("that are removed cut off clients whose requests never end, at the time limit", async () => {
      const server = await serverOn(env);
      const device = new FaultyDevice(new ArrayDevice(8));
      server.addExport({ name: "b", device });
      const client = await NbdTestClient.open(server.address, { name: "b" });
      const held = holding(device);
      client.request(READ);
      await held;
      await server.removeExport("b");
      expect(server.clientsOf("b")).toBe(0);
      device.release();
      client.destroy();
    });
  });
});
