import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { describeBackends } from "../../test/support/backends.ts";
import { GREETING, u16, u32, u64 } from "../../test/support/nbd-wire.ts";
import { peerTest } from "../../test/support/peers.ts";
import { emptyDisk, testFolder } from "../../test/support/temp.ts";
import { HoldfastError } from "../base/errors.ts";
import { BioFlags, readBio } from "../block/bio.ts";
import { discard, flush, readSectors, writeSectors, writeZeroes } from "../block/promises.ts";
import { startNbdServer } from "../nbd/server.ts";
import { openNbdDevice } from "./nbd.ts";
import { openDevice } from "./open.ts";

function uriOf(socket: string, name = ""): string {
  return `nbd+unix:///${name}?socket=${socket}`;
}

describeBackends(({ env }) => {
  /** Our own server over `served`; its URI. */
  async function serve(served: ArrayDevice): Promise<string> {
    const server = await startNbdServer(env, {
      listen: { kind: "unix", path: join(testFolder("nbd"), "s") },
      exports: [{ name: "disk", device: served }],
    });
    onTestFinished(() => server.stop());
    return server.uri("disk");
  }

  /** A server that does what the test says with each connection; its URI. */
  async function scripted(script: (socket: Socket) => unknown): Promise<string> {
    const path = join(testFolder("nbd"), "s");
    const server = createServer((socket) => {
      socket.on("error", () => {});
      script(socket);
    });
    server.listen(path);
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
    });
    return uriOf(path);
  }

  /** Waits until the client has sent so many bytes more, each time. */
  function reader(socket: Socket): (count: number) => Promise<Buffer> {
    let have = Buffer.alloc(0);
    let wake = (): void => {};
    socket.on("data", (data) => {
      have = Buffer.concat([have, data]);
      wake();
    });
    return async (count) => {
      while (have.length < count) await new Promise<void>((resolve) => (wake = resolve));
      const taken = have.subarray(0, count);
      have = have.subarray(count);
      return taken;
    };
  }

  /** A server of 8 sectors that knows EXPORT_NAME only; `answer` gets each request's header. */
  function oldServer(answer: (socket: Socket, header: Buffer) => void): Promise<string> {
    return scripted((socket) => {
      const run = async (): Promise<void> => {
        const take = reader(socket);
        socket.write(GREETING.subarray(0, 16));
        socket.write(u16(0));
        await take(4 + 16);
        socket.write(Buffer.concat([u64(4096), u16(1), Buffer.alloc(124)]));
        for (;;) answer(socket, await take(28));
      };
      run().catch(() => {});
    });
  }

  function reply(header: Buffer, error: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
    return Buffer.concat([u32(0x67446698), u32(error), header.subarray(8, 16), data]);
  }

  describe("openNbdDevice", () => {
    it("splits large requests, flushes and keeps FUA", async () => {
      const served = new ArrayDevice(40_000);
      const device = await openDevice(env, await serve(served), { readOnly: false });
      const data = new Uint8Array(10 * 2 ** 20).fill(7);
      await writeSectors(device, 1, data, BioFlags.fua | BioFlags.preflush);
      expect(await readSectors(device, 0, 3)).toEqual(
        Uint8Array.from({ length: 1536 }, (_unused, i) => (i < 512 ? 0 : 7)),
      );
      const [first, ...others] = served.seen;
      expect(first!.op).toBe("flush");
      const writes = others.filter((bio) => bio.op === "write");
      expect(writes.length).toBe(3);
      expect(writes.every((bio) => (bio.flags & BioFlags.fua) !== 0)).toBe(true);
      await device.close();
    });

    it("makes up for a server that has neither FUA nor flush nor GO", async () => {
      const types: number[] = [];
      const uri = await oldServer((socket, header) => {
        types.push(header.readUInt16BE(6));
        socket.write(reply(header, 0, Buffer.alloc(512, 3)));
      });
      const device = await openNbdDevice(env, uri, { readOnly: true });
      expect(device.sectors).toBe(8);
      expect(await readSectors(device, 0, 1)).toEqual(new Uint8Array(512).fill(3));
      await flush(device);
      expect(types).toEqual([0]);
      await expect(discard(device, 0, 1)).rejects.toMatchObject({ code: "read-only" });
    });

    it("gives the server's errors as codes, and goes on", async () => {
      const errors = [28, 5, 1, 108, 9999, 0];
      const uri = await oldServer((socket, header) => {
        const error = errors.shift()!;
        socket.write(reply(header, error, error === 0 ? Buffer.alloc(512) : Buffer.alloc(0)));
      });
      const device = await openNbdDevice(env, uri, { readOnly: true });
      for (const code of ["no-space", "io", "permission", "shutdown", "io"])
        await expect(readSectors(device, 1, 1)).rejects.toMatchObject({ code });
      await readSectors(device, 1, 1);
    });

    it("ends everything with io when the server goes, what comes later too", async () => {
      const uri = await oldServer((socket) => socket.destroy());
      const device = await openNbdDevice(env, uri, { readOnly: true });
      const codes: unknown[] = [];
      await new Promise<void>((resolve) => {
        // More than may be on their way at once.
        for (let i = 0; i < 100; i += 1) {
          const bio = readBio(0, new Uint8Array(512), (error) => {
            codes.push(error?.code);
            if (codes.length === 100) resolve();
          });
          device.submit(bio);
        }
      });
      expect(codes).toEqual(Array(100).fill("io"));
      const later = readSectors(device, 0, 1);
      await expect(later).rejects.toThrow("is lost: the server closed the connection");
      await device.close();
    });

    it("hangs up on a server that answers what was not asked", async () => {
      const uri = await oldServer((socket, header) => {
        header.writeUInt8(255, 15);
        socket.write(reply(header, 0, Buffer.alloc(512)));
      });
      const device = await openNbdDevice(env, uri, { readOnly: true });
      await expect(readSectors(device, 0, 1)).rejects.toThrow("no reply to any request");
      await device.close();
    });

    it.each([
      ["says nothing of NBD", (socket: Socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")],
      ["closes in the middle", (socket: Socket) => socket.end(GREETING.subarray(0, 10))],
      [
        "sends an endless answer",
        (socket: Socket) => {
          socket.write(GREETING);
          socket.write(Buffer.concat([u64(0x0003e889045565a9n), u32(7), u32(3), u32(2 ** 31)]));
        },
      ],
    ])("refuses a server that %s", async (_name, script) => {
      const uri = await scripted(script);
      const code = await openNbdDevice(env, uri, { readOnly: true }).catch((error: unknown) =>
        error instanceof HoldfastError ? error.code : "no HoldfastError",
      );
      expect(["protocol", "io"]).toContain(code);
    });

    it("says what is wrong before anything is read", async () => {
      const uri = await serve(new ArrayDevice(8, { readOnly: true }));
      const readOnly = { readOnly: true };
      await expect(openNbdDevice(env, uri, { readOnly: false })).rejects.toMatchObject({
        code: "read-only",
      });
      const other = uri.replace("/disk?", "/other?");
      await expect(openNbdDevice(env, other, readOnly)).rejects.toMatchObject({
        code: "not-found",
      });
      const nobody = uriOf(join(testFolder("nbd"), "nobody"));
      await expect(openNbdDevice(env, nobody, readOnly)).rejects.toMatchObject({
        code: "not-found",
      });
      await expect(openNbdDevice(env, "nbds://localhost/", readOnly)).rejects.toMatchObject({
        code: "unsupported",
      });
    });

    for (const program of ["qemu-nbd", "nbdkit"] as const) {
      peerTest([program], `reads and writes an image that ${program} serves`, async () => {
        const folder = testFolder("nbd");
        const socket = join(folder, "s");
        const disk = emptyDisk(join(folder, "disk.img"), 2 ** 20);
        const args =
          program === "nbdkit"
            ? ["-f", "-U", socket, "file", disk]
            : ["-t", "-f", "raw", "-k", socket, disk];
        const peer = spawn(program, args, { stdio: "ignore" });
        const gone = once(peer, "exit");
        onTestFinished(async () => {
          peer.kill();
          await gone;
        });
        const device = await listening(uriOf(socket));
        await writeSectors(device, 3, new Uint8Array(2048).fill(9), BioFlags.fua);
        await writeZeroes(device, 4, 1, BioFlags.noUnmap);
        await flush(device);
        expect(await readSectors(device, 2, 6)).toEqual(
          Uint8Array.from({ length: 3072 }, (_unused, i) =>
            i >= 512 && i < 2560 && Math.floor(i / 512) !== 2 ? 9 : 0,
          ),
        );
        await device.close();
      });
    }
  });

  /** Tries until the peer, which was just started, listens. */
  async function listening(uri: string): ReturnType<typeof openDevice> {
    for (;;) {
      try {
        return await openDevice(env, uri, { readOnly: false });
      } catch (error) {
        if (!(error instanceof HoldfastError) || error.code !== "not-found") throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
});
