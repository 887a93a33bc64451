/** `holdfast log-writes`: a log that was recorded here, listed, searched and replayed. What kernels record is in test/kernel/dm-plain.test.ts. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BioFlags } from "../../src/block/bio.ts";
import { discard, flush, readSectors, writeSectors } from "../../src/block/promises.ts";
import { runInProcess } from "../support/cli.ts";
import type { RunResult } from "../support/cli.ts";
import { DmWorld } from "../support/dm-world.ts";
import { schemaProblems } from "../support/json-schema.ts";
import { testFolder } from "../support/temp.ts";

const SECTORS = 64;
async function record(): Promise<Uint8Array> {
  const world = new DmWorld({ a: SECTORS, log: 100 });
  const { device, use } = await world.make("v", `0 ${SECTORS} log-writes ./a ./log`);
  const write = (sector: number, byte: number, flags = 0): Promise<void> =>
    writeSectors(use, sector, new Uint8Array(512).fill(byte), flags);
  await write(1, 1, BioFlags.fua);
  await world.all.message(device, 0, ["mark", "mounted\u001b[31m"]);
  await write(1, 2);
  await discard(use, 1, 2);
  await flush(use);
  await write(2, 3);
  await use.close();
  await world.all.remove(device, { deferred: false });
  return readSectors(world.disk("log"), 0, 100);
}

interface Files {
  readonly recorded: Uint8Array;
  readonly log: string;
  readonly copy: string;
  run(...words: string[]): Promise<RunResult>;
  /** First byte of each of three sectors. */
  content(): number[];
}

async function files(): Promise<Files> {
  const recorded = await record();
  const folder = testFolder("log-writes");
  const log = join(folder, "log.img");
  const copy = join(folder, "copy.img");
  writeFileSync(log, recorded);
  writeFileSync(copy, new Uint8Array(SECTORS * 512).fill(9));
  const run = async (action: string, ...words: string[]): Promise<RunResult> => {
    const place = action === "replay" ? [log, copy] : [log];
    const result = await runInProcess(["log-writes", action, ...place, ...words]);
    expect(Buffer.compare(readFileSync(log), recorded)).toBe(0);
    return result;
  };
  const content = (): number[] => [0, 1, 2].map((sector) => readFileSync(copy)[sector * 512]!);
  return { recorded, log, copy, run, content };
}

describe("holdfast log-writes list", () => {
  it("shows the entries, and nothing that a terminal obeys", async () => {
    const { code, stdout, stderr } = await (await files()).run("list");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatchInlineSnapshot(`
      "ENTRY  KIND     SECTOR  SECTORS  FLAGS  MARK
          0  write         1        1  fua
          1  mark                             mounted\\x1b[31m
          2  write         1        1
          3  discard       1        2
          4  flush                     flush
          5  write         2        1
          6  mark                             dm-log-writes-end
      "
    `);
  });

  it("shows those that are asked for, or how many they are", async () => {
    const one = await files();
    const some = await one.run("list", "--start-entry", "2", "--next-flush");
    expect(some.stdout.match(/^ *\d+/gm)?.map(Number)).toEqual([2, 3, 4]);
    expect((await one.run("list", "--num-entries")).stdout).toBe("7\n");
    expect((await one.run("list", "--limit", "2", "--num-entries")).stdout).toBe("2\n");
  });

  it("tells it as JSON", async () => {
    const { code, stdout } = await (await files()).run("list", "--json");
    expect(code).toBe(0);
    const said = JSON.parse(stdout) as { entries: unknown[] };
    expect(schemaProblems("log-writes", said)).toEqual([]);
    expect(said.entries).toHaveLength(7);
    expect(said.entries[0]).toEqual({
      index: 0,
      kind: "write",
      sector: 1,
      sectors: 1,
      isFua: true,
      isFlush: false,
      isMetadata: false,
      mark: null,
    });
  });
});

describe("holdfast log-writes find", () => {
  it.each([
    [["--next-flush"], "4\n"],
    [["--next-fua"], "0\n"],
    [["--next-fua", "--next-flush", "--start-entry", "1"], "4\n"],
    [["--end-mark", "dm-log-writes-end"], "6\n"],
    [["--start-entry", "1", "--limit", "3"], "3\n"],
  ])("%j", async (words, answer) => {
    expect(await (await files()).run("find", ...words)).toMatchObject({ code: 0, stdout: answer });
  });

  it("fails for what is not there", async () => {
    const { code, stdout, stderr } = await (
      await files()
    ).run("find", "--next-flush", "--start-entry=5");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("its log has 7 entries, and from 5 on it does not have a flush");
  });
});

describe("holdfast log-writes replay", () => {
  it.each([
    [[], 7, [9, 0, 3]],
    [["--next-fua"], 1, [9, 1, 9]],
    [["--next-flush"], 5, [9, 0, 0]],
    [["--next-flush", "--keep-discarded"], 5, [9, 2, 9]],
    [["--start-entry", "5"], 2, [9, 9, 3]],
  ])("%j", async (words, entries, content) => {
    const one = await files();
    expect(await one.run("replay", ...words)).toMatchObject({ code: 0, stdout: "" });
    expect(one.content()).toEqual(content);
    expect((await one.run("replay", ...words)).stderr).toContain(`note: ${entries} entries`);
  });

  it("writes nothing when it cannot be done", async () => {
    const one = await files();
    const absent = await one.run("replay", "--end-mark", "unmounted");
    expect(absent).toMatchObject({ code: 1, stdout: "" });
    expect(absent.stderr).toContain('does not have a mark "unmounted"');
    expect(one.content()).toEqual([9, 9, 9]);
    writeFileSync(one.copy, new Uint8Array(1024).fill(9));
    expect((await one.run("replay")).stderr).toContain("has 2.");
    expect(readFileSync(one.copy).every((byte) => byte === 9)).toBe(true);
    const same = await runInProcess(["log-writes", "replay", one.log, one.log]);
    expect(same.code).toBe(1);
    expect(Buffer.compare(readFileSync(one.log), one.recorded)).toBe(0);
    const noLog = await runInProcess(["log-writes", "replay", one.copy, one.log]);
    expect(noLog.stderr).toContain("has no log of log-writes at its start");
    expect(Buffer.compare(readFileSync(one.log), one.recorded)).toBe(0);
  });
});

describe("holdfast log-writes", () => {
  it.each([
    [["show", "x"], '"show" is none of list, find, replay'],
    [["list"], "LOG"],
    [["list", "x", "y"], "list takes a log, and nothing else"],
    [["replay", "x"], "takes a log and a device to write to"],
    [["find", "x"], "find looks for what one of --limit, --next-flush"],
    [["list", "x", "--limit", "0"], '--limit takes a number from 1 on, not "0"'],
    [["list", "x", "--start-entry", "one"], "--start-entry takes a number from 0 on"],
    [["list", "x", "--start-entry", "1", "--start-mark", "a"], "--start-mark"],
    [["list", "x", "--keep-discarded"], "--keep-discarded says nothing to log-writes list"],
    [["replay", "x", "y", "--json"], "--json says nothing to log-writes replay"],
  ])("refuses %j", async (words, message) => {
    const { code, stdout, stderr } = await runInProcess(["log-writes", ...words]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});
