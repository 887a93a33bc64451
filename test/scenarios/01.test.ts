/** mdadm's tests 01*: members fail, are replaced and come back, and the data stays what it was. */
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";

describe("01r1fail", () => {
  it("loses members while it is resynced, and gets others", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l1 -n4 $0 $1 $2 missing");
    await m.syncing("resync");
    await m.ok("$md0 --fail $2");
    await m.syncing("resync");
    await m.ok("$md0 --fail $1");
    await m.noSync();
    await m.state("U___");
    await m.ok("$md0 --add $4 $3");
    await m.syncing("recovery");
    await m.wait();
    await m.ok("$md0 --remove $2 $1");
    await m.state("UUU_");
    await m.ok("--zero-superblock $2");
    await m.ok("$md0 -a $2");
    await m.syncing("recovery");
    await m.wait();
    await m.state("UUUU");
  });
});

describe("01r5fail", () => {
  it("loses the member that is rebuilt, and one while another is rebuilt", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l5 -n4 $0 $1 $2 $3");
    await m.syncing("recovery");
    await m.ok("$md0 --fail $3");
    await m.noSync();
    await m.state("UUU_");
    await m.ok("$md0 --add $4 $5");
    await m.syncing("recovery");
    await m.wait();
    await m.state("UUUU");
    await m.ok("$md0 --fail $0");
    await m.syncing("recovery");
    await m.state("_UUU");
    await m.ok("$md0 --remove $3 $0");
    await m.syncing("recovery");
    await m.state("_UUU");
    await m.wait();
    await m.state("UUUU");
    await m.ok("$md0 --add $3");
    await m.state("UUUU");
  });
});

describe("01r5integ", () => {
  it.each(["ls", "rs", "la", "ra"])("%s keeps its data without any one member", async (layout) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l5 --layout ${layout} -n4 $0 $1 $2 $3`);
    await m.wait();
    const data = await m.fill(11, "md0", 8192);
    for (const n of [0, 1, 2, 3]) {
      await m.ok(`$md0 --fail $${n}`);
      await m.ok(`$md0 --remove $${n}`);
      await m.contains(data);
      await m.ok(`$md0 --add $${n}`);
      await m.wait();
      await m.state("UUUU");
    }
    await m.contains(data);
  });
});

describe("01raid6integ", () => {
  const layouts = [
    "ls rs la ra parity-first parity-last",
    "ddf-zero-restart ddf-N-restart ddf-N-continue",
    "left-asymmetric-6 right-asymmetric-6 left-symmetric-6 right-symmetric-6 parity-first-6",
  ].flatMap((line) => line.split(" "));
  it.each(layouts)("%s keeps its data without any two", async (layout) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l6 --layout ${layout} -n5 --size 4096 $*4`);
    await m.wait();
    const data = await m.fill(13, "md0", 8192);
    for (const [one, other] of [
      [0, 1],
      [0, 4],
      [1, 3],
      [3, 4],
    ] as const) {
      await m.ok(`$md0 --fail $${one} --fail $${other}`);
      await m.ok(`$md0 --remove $${one} $${other}`);
      await m.contains(data);
      await m.ok(`$md0 --add $${one}`);
      await m.wait();
      await m.contains(data);
      await m.ok(`$md0 --add $${other}`);
      await m.wait();
      await m.state("UUUUU");
    }
    await m.contains(data);
  });
});

describe("01replace", () => {
  const levels = ["1", "5", "6", "10"];

  it.each(levels)("level %s: a member is replaced by a spare", async (level) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l${level} -n4 -x2 --size 8192 $*5`);
    await m.wait();
    const data = await m.fill(17, "md0", 4096);
    await m.ok("$md0 --replace $1");
    await m.wait();
    await m.state("UUUU");
    // Which of the spares took its place?
    const { members } = await m.view();
    const taker = members.find(({ slot }) => slot === 1)?.path ?? "";
    expect(taker).toMatch(/dev[45]$/);
    await m.fails(`$md0 --remove ${taker}`);
    await m.ok("$md0 --remove $1");
    await m.contains(data);
    await m.ok("$md0 --add $1");
  });

  it.each(levels)("level %s: a member is replaced by the one that was named", async (level) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l${level} -n4 -x2 --size 8192 $*5`);
    await m.wait();
    await m.ok("$md0 --replace $1 --with $4");
    await m.wait();
    await m.ok("$md0 --remove $1");
    await m.ok("$md0 --remove $5");
    await m.fails("$md0 --remove $4");
    await m.state("UUUU");
  });

  it.each(levels)("level %s: another fails while a member is replaced", async (level) => {
    const m = new Machine();
    await m.ok(`-CR $md0 -l${level} -n4 -x2 $*5`);
    await m.wait();
    const data = await m.fill(19, "md0", 4096);
    await m.ok("$md0 --replace $1 --with $4");
    await m.syncing("recovery");
    await m.ok("$md0 --fail $3");
    await m.contains(data);
    await m.wait();
    await m.contains(data);
    await m.state("UUUU");
  });

  it("level 6: two are lost while one is replaced", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 -l6 -n4 -x1 $*4");
    await m.wait();
    const data = await m.fill(23, "md0", 4096);
    await m.ok("$md0 --replace $3");
    await m.syncing("recovery");
    await m.ok("$md0 --fail $0 --fail $2");
    await m.contains(data);
    await m.wait();
    await m.contains(data);
  });
});
