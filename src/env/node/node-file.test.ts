/** What is done on this thread and what by libuv's, with a clock and a file system that say how long calls take. */
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { testFolder } from "../../../test/support/temp.ts";
import type { FileHandle } from "../files.ts";
import { NodeFile } from "./node-file.ts";
import type { FileSystem, TransferNow } from "./node-file.ts";
import { isRemoteType } from "./remote.ts";
import { Turns } from "./turns.ts";

function codeError(code: string): Error {
  return Object.assign(new Error(`${code}: text`), { code });
}

/** The real calls on a file of 8 KiB, counted, with a time and a fault of one's own. */
class Disk {
  nowMs = 0;
  /** Of each call on this thread. */
  tookMs = 0;
  /** Thrown by the next call on this thread. */
  fault: Error | null = null;
  /** What the next write by a thread ends with. */
  threadFault: Error | null = null;
  /** Moved at most by the next call on this thread. */
  atMost = Infinity;
  inline = 0;
  byThread = 0;
  readonly file: NodeFile;

  constructor(mayBlock = true) {
    const path = join(testFolder("node-file"), "f");
    fs.writeFileSync(path, Buffer.alloc(8192, 1));
    const descriptor = fs.openSync(path, "r+");
    const clock = { wallMs: () => 0, monotonicMs: () => this.nowMs };
    const system = { calls: this.#calls(), clock, turns: new Turns(setImmediate) };
    this.file = new NodeFile(system, path, descriptor, 8192, mayBlock);
    onTestFinished(() => this.file.close());
  }

  #calls(): FileSystem["calls"] {
    const now =
      (call: TransferNow): TransferNow =>
      (descriptor, data, from, length, offsetBytes) => {
        this.inline += 1;
        this.nowMs += this.tookMs;
        const { fault, atMost } = this;
        this.fault = null;
        this.atMost = Infinity;
        if (fault !== null) throw fault;
        return call(descriptor, data, from, Math.min(length, atMost), offsetBytes);
      };
    const threaded = <Call extends (...args: never[]) => void>(call: Call): Call =>
      ((...args: never[]) => {
        this.byThread += 1;
        call(...args);
      }) as Call;
    return {
      readSync: now(fs.readSync),
      writeSync: now(fs.writeSync),
      read: threaded(fs.read),
      write: ((...args: Parameters<typeof fs.write>) => {
        const fault = this.threadFault;
        this.threadFault = null;
        this.byThread += 1;
        if (fault === null) fs.write(...args);
        else (args.at(-1) as unknown as (error: Error) => void)(fault);
      }) as unknown as typeof fs.write,
      open: threaded(fs.open),
      close: fs.close,
      fdatasync: threaded(fs.fdatasync),
    };
  }

  /** How many calls there were on this thread and by others since the last time. */
  get counted(): [number, number] {
    const both: [number, number] = [this.inline, this.byThread];
    this.inline = 0;
    this.byThread = 0;
    return both;
  }
}

function reading(file: FileHandle, data: Uint8Array, offsetBytes = 0): Promise<number> {
  return new Promise((resolve, reject) =>
    file.read(data, offsetBytes, (error, bytes) => (error ? reject(error) : resolve(bytes))),
  );
}

function writing(file: FileHandle, data: Uint8Array, offsetBytes = 0): Promise<void> {
  return new Promise((resolve, reject) =>
    file.write(data, offsetBytes, (error) => (error ? reject(error) : resolve())),
  );
}

it("quick calls are made in the call, and are over when it returns", () => {
  const disk = new Disk();
  const heard: unknown[] = [];
  const data = new Uint8Array(4096);
  disk.file.write(data.fill(7), 4096, (error) => heard.push(error));
  disk.file.read(data.fill(0), 4096, (error, bytes) => heard.push(error, bytes, data[4095]));
  disk.file.read(data, 8000, (error, bytes) => heard.push(error, bytes));
  disk.file.read(data, 9000, (error, bytes) => heard.push(error, bytes));
  expect(heard.slice(0, 4)).toEqual([null, null, 4096, 7]);
  // A short one may go on behind the end, which a thread finds out.
  expect(heard.slice(4)).toEqual([null, 0]);
  expect(disk.counted).toEqual([4, 1]);
});

it("large calls, and flushes, are handed to threads", async () => {
  const disk = new Disk();
  const large = new Uint8Array(128 * 1024 + 1).fill(3);
  await writing(disk.file, large, 100);
  expect(disk.file.sizeBytes).toBe(large.length + 100);
  expect(await reading(disk.file, large, 200)).toBe(large.length - 100);
  await new Promise<void>((resolve) => disk.file.flush(() => resolve()));
  // Reading finds the end with a call of its own.
  expect(disk.counted).toEqual([0, 4]);
});

function writingDurably(file: FileHandle, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) =>
    file.writeDurably(data, 0, (error) => (error ? reject(error) : resolve())),
  );
}

it.runIf(process.platform === "linux")(
  "a durable write is one call, of a descriptor that is opened once and closed with the file",
  async () => {
    const disk = new Disk();
    const open = fs.readdirSync("/proc/self/fd").length;
    const data = new Uint8Array(512).fill(5);
    await Promise.all([writingDurably(disk.file, data), writingDurably(disk.file, data)]);
    await writingDurably(disk.file, data);
    expect(disk.counted).toEqual([0, 4]);
    await disk.file.close();
    expect(fs.readdirSync("/proc/self/fd").length).toBe(open - 1);
  },
);

it("a durable write that fails is a flush that failed: what it was told may be of other writes", async () => {
  const disk = new Disk();
  disk.threadFault = codeError("EIO");
  await expect(writingDurably(disk.file, new Uint8Array(512))).rejects.toMatchObject({
    code: "io",
  });
  await expect(
    new Promise<void>((resolve, reject) =>
      disk.file.flush((error) => (error ? reject(error) : resolve())),
    ),
  ).rejects.toMatchObject({ code: "io" });
});

it("where waiting cannot be borne everything is handed to threads", async () => {
  const disk = new Disk(false);
  await writing(disk.file, new Uint8Array(512));
  await reading(disk.file, new Uint8Array(512));
  expect(disk.counted).toEqual([0, 2]);
});

it("once calls are slow they are handed to threads, tried one at a time, and made in the call again", async () => {
  const disk = new Disk();
  const data = new Uint8Array(4096);
  disk.tookMs = 10;
  for (let i = 0; i < 100; i += 1) await reading(disk.file, data);
  const [inline, byThread] = disk.counted;
  expect(inline).toBeLessThan(10);
  expect(inline + byThread).toBe(100);
  // Writes have a pace of their own.
  disk.tookMs = 0;
  await writing(disk.file, data);
  expect(disk.counted).toEqual([1, 0]);
  // One try after the rest, which is slow.
  disk.tookMs = 10;
  disk.nowMs += 160;
  for (let i = 0; i < 10; i += 1) await reading(disk.file, data);
  expect(disk.counted).toEqual([1, 9]);
  // Now the data are in the cache.
  disk.tookMs = 0.003;
  for (let i = 0; i < 10; i += 1) await reading(disk.file, data);
  expect(disk.counted).toEqual([0, 10]);
  disk.nowMs += 320;
  for (let i = 0; i < 100; i += 1) await reading(disk.file, data);
  expect(disk.counted).toEqual([100, 0]);
});

it("a disk that hangs stops this thread once", async () => {
  const disk = new Disk();
  disk.tookMs = 30_000;
  const data = new Uint8Array(4096);
  await Promise.all(Array.from({ length: 32 }, () => reading(disk.file, data)));
  expect(disk.counted).toEqual([1, 31]);
  disk.nowMs += 300_000;
  await reading(disk.file, data);
  expect(disk.counted).toEqual([0, 1]);
});

it("short and interrupted calls are continued by threads", async () => {
  const disk = new Disk();
  const data = Uint8Array.from({ length: 4096 }, (_, i) => i % 251);
  disk.atMost = 1000;
  await writing(disk.file, data, 6000);
  expect(disk.file.sizeBytes).toBe(10_096);
  disk.fault = codeError("EINTR");
  await writing(disk.file, data, 100);
  const back = new Uint8Array(4096);
  for (const at of [6000, 100]) {
    disk.atMost = 10;
    expect(await reading(disk.file, back.fill(0), at)).toBe(4096);
    expect(back).toEqual(data);
  }
  disk.fault = codeError("EINTR");
  expect(await reading(disk.file, back, 6000)).toBe(4096);
  expect(disk.counted).toEqual([5, 5]);
});

it("what the system says against a call is told, without a second try", async () => {
  const disk = new Disk();
  disk.fault = codeError("EIO");
  await expect(reading(disk.file, new Uint8Array(512), 1024)).rejects.toThrow(
    "reading at byte 1024",
  );
  disk.fault = codeError("ENOSPC");
  await expect(writing(disk.file, new Uint8Array(512))).rejects.toMatchObject({ code: "no-space" });
  expect(disk.counted).toEqual([2, 0]);
});

it("calls that fail at once and are made again do not deepen the stack", async () => {
  const disk = new Disk();
  let left = 50_000;
  await new Promise<void>((resolve) => {
    const again = (error: Error | null): void => {
      if (left % 2 === 1) expect(error).not.toBeNull();
      left -= 1;
      disk.fault = left % 2 === 1 ? codeError("EIO") : null;
      if (left === 0) resolve();
      else disk.file.read(new Uint8Array(1), 0, again);
    };
    again(null);
  });
  expect(disk.byThread).toBe(0);
});

it("a chain of promises that are fulfilled at once lets Node's loop have its turns", async () => {
  const disk = new Disk();
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    immediate = setImmediate(turn);
  };
  let immediate = setImmediate(turn);
  for (let i = 0; i < 640; i += 1) await reading(disk.file, new Uint8Array(1));
  expect(turns).toBeGreaterThanOrEqual(9);
  // Data count too.
  turns = 0;
  for (let i = 0; i < 640; i += 1) await reading(disk.file, new Uint8Array(8192));
  clearImmediate(immediate);
  expect(turns).toBeGreaterThanOrEqual(14);
  expect(disk.byThread).toBe(0);
});

it("knows remote file systems by their number, with either sign", () => {
  expect([0x6969, 0xff534d42, 0xff534d42 | 0].map(isRemoteType)).toEqual([true, true, true]);
  // ext4, tmpfs, btrfs
  expect([0xef53, 0x01021994, 0x9123683e].map(isRemoteType)).toEqual([false, false, false]);
});
