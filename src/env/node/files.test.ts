import { execFileSync } from "node:child_process";
import {
  mkdtempSync,
  rmSync,
  symlinkSync,
  linkSync,
  writeFileSync,
  readFileSync,
  readdirSync,
  existsSync,
  chmodSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import fc from "fast-check";
import { describeBackends } from "../../../test/support/backends.ts";
import { testFolder } from "../../../test/support/temp.ts";
import type { FileHandle } from "../files.ts";
import { deviceNumber, sizeByProbing, sizeFromSysfs } from "./block-device-size.ts";
import { fileError } from "./file-errors.ts";
import { libc } from "./libc.ts";
import { nodeEnv } from "./env.ts";
import { stderrLog } from "./log.ts";

function readAt(file: FileHandle, offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
  const data = new Uint8Array(lengthBytes);
  return new Promise((resolve, reject) => {
    file.read(data, offsetBytes, (error, bytes) =>
      error ? reject(error) : resolve(data.subarray(0, bytes)),
    );
  });
}

function writeAt(file: FileHandle, offsetBytes: number, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(data, offsetBytes, (error) => (error ? reject(error) : resolve()));
  });
}

function system(code: string): Error {
  return Object.assign(new Error(`${code}: text`), { code });
}

describeBackends(({ env: { files } }) => {
  let folder = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-files-"));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  describe("files", () => {
    it("makes folders, links and sets modes and times", async () => {
      const path = join(folder, "attributes");
      await files.makeFolder(join(path, "deep"), 0o700);
      expect(statSync(join(path, "deep")).mode & 0o777).toBe(0o700);
      await (await files.open(join(path, "file"), "create-new")).close();
      const times = { accessedMs: 1_600_000_000_500, modifiedMs: 1_500_000_000_250 };
      await files.setAttributes(join(path, "file"), { mode: 0o640, ...times });
      const stats = statSync(join(path, "file"));
      expect(stats.mode & 0o777).toBe(0o640);
      expect([stats.atimeMs, stats.mtimeMs]).toEqual([times.accessedMs, times.modifiedMs]);

      const link = join(path, "link");
      await files.makeLink(link, "nowhere");
      expect(await files.isLink(link)).toBe(true);
      expect(await files.isLink(join(path, "file"))).toBe(false);
      expect(await files.isLink(join(path, "nothing"))).toBe(false);
      await expect(files.makeLink(link, "elsewhere")).rejects.toMatchObject({ code: "usage" });
      await files.remove(link);
      expect(await files.isLink(link)).toBe(false);
    });

    it("reads, writes, grows, flushes and cuts a file", async () => {
      const path = join(folder, "plain");
      const file = await files.open(path, "create-new");
      await writeAt(file, 1000, new Uint8Array([1, 2, 3]));
      expect(file.sizeBytes).toBe(1003);
      await new Promise<void>((resolve, reject) => {
        file.flush((error) => (error ? reject(error) : resolve()));
      });
      expect([...(await readAt(file, 998, 10))]).toEqual([0, 0, 1, 2, 3]);
      const large = new Uint8Array(300_000).fill(9);
      for (const data of [large, new Uint8Array([4, 5])])
        await new Promise<void>((resolve, reject) => {
          file.writeDurably(data, 1002, (error) => (error ? reject(error) : resolve()));
        });
      expect(file.sizeBytes).toBe(301_002);
      expect([...(await readAt(file, 1000, 5))]).toEqual([1, 2, 4, 5, 9]);
      expect((await readAt(file, 500_000, 10)).length).toBe(0);
      await file.truncate(1001);
      expect(file.sizeBytes).toBe(1001);
      await file.close();
      await file.close();
      expect(readFileSync(path).length).toBe(1001);
      const again = await files.open(path, "create-or-truncate");
      expect(again.sizeBytes).toBe(0);
      await again.close();
    });

    it("writes buffers one behind the other", async () => {
      const file = await files.open(join(folder, "parts"), "create-new");
      const parts = Array.from({ length: 100 }, (_unused, i) =>
        new Uint8Array(1 + (i % 3)).fill(i),
      );
      for (const count of [1, 5, 100]) {
        await new Promise<void>((resolve, reject) => {
          const given = parts.slice(0, count);
          file.writeParts(given, 10, (error) => (error ? reject(error) : resolve()));
        });
        const all = Buffer.concat(parts.slice(0, count));
        expect(file.sizeBytes).toBe(10 + all.length);
        expect(Buffer.from(await readAt(file, 10, all.length + 1))).toEqual(all);
      }
      await file.close();
    });

    it("reads far behind 4 GiB of a sparse file", async () => {
      const file = await files.open(join(folder, "far"), "create-new");
      const far = 5 * 2 ** 40 + 12345;
      await writeAt(file, far, new Uint8Array([7, 8]));
      expect([...(await readAt(file, far - 1, 9))]).toEqual([0, 7, 8]);
      await file.close();
    });

    it("tells what is there, and when two names are the same thing", async () => {
      const path = join(folder, "one");
      writeFileSync(path, "hello");
      linkSync(path, join(folder, "two"));
      symlinkSync("one", join(folder, "three"));
      const stats = await Promise.all(
        ["one", "two", "three"].map((name) => files.stat(join(folder, name))),
      );
      expect(stats[0]).toMatchObject({ kind: "file", sizeBytes: 5 });
      expect(new Set(stats.map((one) => one?.identity)).size).toBe(1);
      expect(await files.stat(join(folder, "none"))).toBeNull();
      expect(await files.stat(join(path, "below-a-file"))).toBeNull();
      expect(await files.stat(folder)).toMatchObject({ kind: "folder", sizeBytes: 0 });
      expect(await files.stat("/dev/null")).toMatchObject({ kind: "other" });
    });

    it("lists, makes and removes", async () => {
      const inner = join(folder, "a", "b");
      await files.makeFolder(inner);
      writeFileSync(join(inner, "z"), "");
      writeFileSync(join(inner, "y"), "");
      expect(await files.list(inner)).toEqual(["y", "z"]);
      await expect(files.remove(inner)).rejects.toMatchObject({ code: "usage" });
      await files.remove(join(inner, "y"));
      await files.remove(join(inner, "z"));
      await files.remove(inner);
      expect(existsSync(inner)).toBe(false);
      await expect(files.remove(inner)).rejects.toMatchObject({ code: "not-found" });
    });

    it("replaces the content of a file in one step", async () => {
      const inner = join(folder, "replaced");
      await files.makeFolder(inner);
      const path = join(inner, "state");
      await files.replace(path, Buffer.from("one"), 0o600);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const before = statSync(path).ino;
      // What a crash has left beside it is no hindrance.
      writeFileSync(`${path}.new`, "half of somethi");
      await files.replace(path, Buffer.from("two"), 0o600);
      expect(readFileSync(path, "utf8")).toBe("two");
      expect(statSync(path).ino).not.toBe(before);
      expect(readdirSync(inner)).toEqual(["state"]);
      await expect(files.replace(join(inner, "no", "state"), Buffer.of(), 0o600)).rejects.toThrow(
        `${join(inner, "no", "state")} does not exist`,
      );
    });

    it("refuses with a sentence that names the path", async () => {
      const missing = join(folder, "missing.img");
      await expect(files.open(missing, "read")).rejects.toMatchObject({
        code: "not-found",
        message: `${missing} does not exist; check the path.`,
      });
      await expect(files.open(folder, "read")).rejects.toMatchObject({ code: "usage" });
      await expect(files.open(folder, "read-write")).rejects.toMatchObject({ code: "usage" });
      await expect(files.open("/dev/null", "read")).rejects.toThrow("neither a file nor");
      const there = join(folder, "there");
      writeFileSync(there, "");
      await expect(files.open(there, "create-new")).rejects.toThrow(`${there} exists already`);
      await expect(files.list(there)).rejects.toMatchObject({ code: "not-found" });
    });

    it("does not wait for a writer when it is given a FIFO", async () => {
      const fifo = join(folder, "fifo");
      execFileSync("mkfifo", [fifo]);
      await expect(files.open(fifo, "read")).rejects.toMatchObject({ code: "usage" });
    });

    it("says permission when it may not", async () => {
      const path = join(folder, "locked");
      writeFileSync(path, "");
      chmodSync(path, 0);
      // Root may read everything, so root becomes somebody else for the moment.
      const isRoot = process.getuid?.() === 0;
      if (isRoot) process.seteuid?.(65534);
      try {
        await expect(files.open(path, "read")).rejects.toMatchObject({ code: "permission" });
      } finally {
        if (isRoot) process.seteuid?.(0);
      }
    });

    it("maps what the system says to codes", () => {
      const code = (name: string) => fileError(system(name), "disk").code;
      expect(
        ["ENOENT", "EACCES", "EPERM", "EISDIR", "EBUSY", "ENOSPC", "EIO", "EWEIRD"].map(code),
      ).toEqual(["not-found", "permission", "permission", "usage", "busy", "no-space", "io", "io"]);
      expect(fileError(system("EIO"), "disk", "reading at byte 512").message).toBe(
        "disk reported an I/O error (EIO): the medium or its connection is failing (reading at byte 512).",
      );
    });
  });

  describe("extents", () => {
    const canTell = libc() !== null;

    it("cover the range; a hole is never where data was written", async () => {
      const file = await files.open(join(folder, "sparse"), "create-new");
      await file.truncate(4 * 2 ** 20);
      await writeAt(file, 2 ** 20, new Uint8Array(65536).fill(1));
      const runs: [number, number, string][] = [];
      for (let at = 0; at < file.sizeBytes;) {
        const run = file.extentAt(at, file.sizeBytes - at);
        expect(run.offsetBytes).toBe(at);
        expect(run.lengthBytes).toBeGreaterThan(0);
        runs.push([run.offsetBytes, run.lengthBytes, run.kind]);
        at += run.lengthBytes;
      }
      if (canTell) {
        expect(runs).toEqual([
          [0, 2 ** 20, "hole"],
          [2 ** 20, 65536, "data"],
          [2 ** 20 + 65536, 3 * 2 ** 20 - 65536, "hole"],
        ]);
        expect(file.extentAt(100, 50)).toEqual({ offsetBytes: 100, lengthBytes: 50, kind: "hole" });
      } else expect(runs).toEqual([[0, file.sizeBytes, "data"]]);
      await file.close();
    });

    it.skipIf(!canTell)("a punched hole reads as zeros and gives its storage back", async () => {
      const file = await files.open(join(folder, "punched"), "create-new");
      await writeAt(file, 0, new Uint8Array(65536).fill(1));
      expect(file.extentAt(4096, 100_000)).toMatchObject({ kind: "data", lengthBytes: 61_440 });
      expect(file.extentAt(8192, 16384)).toMatchObject({ kind: "data", lengthBytes: 16384 });
      if (file.punchHole(8192, 16384)) {
        const data = await readAt(file, 0, 65536);
        expect(data.every((byte, i) => byte === (i >= 8192 && i < 24576 ? 0 : 1))).toBe(true);
        expect(file.extentAt(8192, 65536)).toMatchObject({ kind: "hole", lengthBytes: 16384 });
      }
      expect(file.sizeBytes).toBe(65536);
      expect(file.extentAt(40_960, 100)).toMatchObject({ kind: "data" });
      await file.truncate(32_768);
      await file.truncate(65_536);
      expect(file.extentAt(40_960, 100)).toMatchObject({ kind: "hole" });
      await file.close();
    });
  });
});

describe("block device sizes", () => {
  it("are found by probing, for every size", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.nat(100), fc.maxSafeInteger().map(Math.abs)), async (size) => {
        let probes = 0;
        const found = await sizeByProbing((offset) => {
          probes += 1;
          return Promise.resolve(offset < size);
        });
        expect(found).toBe(size);
        expect(probes).toBeLessThan(100);
      }),
    );
  });

  it("come from sysfs where there is one", async () => {
    expect(deviceNumber(0x1234_5_678_90n)).toEqual({ major: 0x678, minor: 0x12345_90 });
    expect(await sizeFromSysfs(0n, join(testFolder("files"), "no-sysfs"))).toBeNull();
    const disks = existsSync("/sys/block") ? readdirSync("/sys/block") : [];
    for (const disk of disks) {
      const sectors = Number(readFileSync(`/sys/block/${disk}/size`, "latin1"));
      const stat = await nodeEnv()
        .files.stat(`/dev/${disk}`)
        .catch(() => null);
      if (stat?.kind === "block-device") expect(stat.sizeBytes).toBe(sectors * 512);
    }
  });
});

describe("the rest of the real Env", () => {
  it("keeps time, fires and cancels timers, and is random", async () => {
    const { clock, timers, random } = nodeEnv();
    const before = clock.monotonicMs();
    expect(clock.wallMs()).toBeGreaterThan(1.7e12);
    // Node's own timeout would fire this one at once; nothing here waits for it.
    const never = timers.set(2 ** 40, () => {
      throw new Error("a timer of 35 years fired");
    });
    const cancelled = timers.set(0, () => {
      throw new Error("a cancelled timer fired");
    });
    cancelled.cancel();
    const keepAlive = setInterval(() => {}, 1000);
    await new Promise<void>((resolve) => timers.set(5, resolve));
    clearInterval(keepAlive);
    never.cancel();
    expect(clock.monotonicMs()).toBeGreaterThan(before);
    expect(random.bytes(16)).not.toEqual(random.bytes(16));
  });

  it("drops log lines below its level", () => {
    const lines: string[] = [];
    const log = stderrLog("info", (line) => lines.push(line));
    log.write("debug", "no");
    log.write("info", "yes");
    log.write("error", "bad");
    expect(lines).toEqual(["holdfast: yes", "holdfast: error: bad"]);
  });
});
