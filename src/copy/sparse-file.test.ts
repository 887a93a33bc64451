import { describe, expect, it } from "vitest";
import type { FileHandle } from "../env/files.ts";
import { SparseFile } from "./sparse-file.ts";
import { nonZeroRuns } from "./zeros.ts";

/** Keeps what it is told. */
function fakeFile(flushError: Error | null = null) {
  const writes: { offsetBytes: number; data: Uint8Array }[] = [];
  const sizes: number[] = [];
  const file: Partial<FileHandle> = {
    write(data, offsetBytes, done) {
      writes.push({ offsetBytes, data: data.slice() });
      done(null);
    },
    flush: (done) => done(flushError),
    truncate: async (sizeBytes) => void sizes.push(sizeBytes),
  };
  return { file: file as FileHandle, writes, sizes };
}

describe("nonZeroRuns", () => {
  it("leaves out whole blocks of zeros only", () => {
    const data = new Uint8Array(4096 * 4 + 100);
    expect(nonZeroRuns(data)).toEqual([]);
    data[4096 * 2 - 1] = 1;
    expect(nonZeroRuns(data)).toEqual([{ start: 4096, end: 8192 }]);
    data[8192] = 1;
    data[4096 * 4 + 99] = 1;
    expect(nonZeroRuns(data)).toEqual([
      { start: 4096, end: 12288 },
      { start: 16384, end: 16484 },
    ]);
  });
});

describe("SparseFile", () => {
  it("writes what is not zero, then sets the size, then flushes", async () => {
    const { file, writes, sizes } = fakeFile();
    const sparse = new SparseFile(file, true);
    const data = new Uint8Array(8192);
    data[5000] = 9;
    await sparse.write(65536, data);
    await sparse.writeZeros(80000, 5_000_000);
    await sparse.finish(6_000_000);
    expect(writes.map(({ offsetBytes, data: { length } }) => [offsetBytes, length])).toEqual([
      [65536 + 4096, 4096],
    ]);
    expect(sizes).toEqual([6_000_000]);
  });

  it("writes zeros too where something else may be", async () => {
    const { file, writes, sizes } = fakeFile();
    const sparse = new SparseFile(file, false);
    await sparse.write(0, new Uint8Array(4096));
    await sparse.writeZeros(4096, 1024 * 1024 + 1);
    await sparse.finish(2_000_000);
    expect(writes.map(({ offsetBytes, data: { length } }) => [offsetBytes, length])).toEqual([
      [0, 4096],
      [4096, 1024 * 1024],
      [4096 + 1024 * 1024, 1],
    ]);
    expect(sizes).toEqual([]);
  });

  it("fails when the flush does", async () => {
    const { file } = fakeFile(new Error("the disk is gone"));
    await expect(new SparseFile(file, true).finish(0)).rejects.toThrow("the disk is gone");
  });
});
