/** mdadm's test 21raid5cache: what was written through a journal is there after any stop. */
import { expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import { randomBytes } from "../support/bytes.ts";
import { goldenCase, sha256, unpackImage } from "../support/golden.ts";
import { Machine } from "./machine.ts";

const MEMBERS = "$0 $1 $2 $3 $4 $5 $6 $11 $8 $9";
const PAGE_SECTORS = 8;

async function restart(m: Machine): Promise<void> {
  await m.ok("-S $md0");
  await m.ok(`-A $md0 ${MEMBERS} $10`);
}

/** The three pages behind the first one, which share its stripe. */
async function writeNeighbours(m: Machine, chance: Prng): Promise<void> {
  for (const page of [1, 2, 3])
    await m.do(
      writeSectors(m.volume(), page * PAGE_SECTORS, randomBytes(chance, PAGE_SECTORS * 512)),
    );
}

/** As disks are when the power fails now: another machine has them. */
function afterPowerCut(m: Machine): Machine {
  const next = new Machine();
  for (const [path, bytes] of m.files.bytes) next.files.bytes.set(path, bytes.slice());
  return next;
}

it.each([
  ["5", "whole"],
  ["5", "degraded"],
  ["6", "whole"],
  ["6", "degraded"],
])("21raid5cache: level %s, %s", async (level, state) => {
  const m = new Machine();
  const chance = new Prng(21);
  await m.ok(`-CR $md0 -c4 -l${level} -n10 ${MEMBERS} --write-journal $10`);
  await m.wait();
  expect(await m.sysfs("journal_mode")).toBe("[write-through] write-back");
  if (state === "degraded") await m.ok("$md0 --fail $0");
  const page = await m.fill(3, "md0", PAGE_SECTORS);
  await restart(m);
  await m.contains(page);
  await writeNeighbours(m, chance);
  await m.contains(page);
  // The third KiB of it.
  const part = randomBytes(chance, 1024);
  await m.do(writeSectors(m.volume(), 4, part));
  page.set(part, 2048);
  const cut = afterPowerCut(m);
  await cut.ok(`-A $md0 ${MEMBERS} $10`);
  await cut.contains(page);
  await restart(m);
  await m.contains(page);
  await writeNeighbours(m, chance);
  await m.contains(page);
  await m.ok("-S $md0");
});

it("21raid5cache: write-back is refused by name", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 -c4 -l5 -n3 $0 $1 $2 --write-journal $3");
  await expect(m.setSysfs("journal_mode", "write-back")).rejects.toThrow("write-back");
  await m.setSysfs("journal_mode", "write-through");
  expect(await m.sysfs("journal_mode")).toBe("[write-through] write-back");
  await m.contains(await m.fill(3, "md0", PAGE_SECTORS));
});

it("21raid5cache: an array without a journal has no mode of one", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 -c4 -l5 -n3 $0 $1 $2");
  expect(await m.sysfs("journal_mode")).toBe("");
  await expect(m.setSysfs("journal_mode", "write-through")).rejects.toThrow("has no write journal");
});

it.each(["clean", "writethrough", "writeback"])(
  "21raid5cache: a journal that a kernel left %s is replayed, also without a member",
  async (left) => {
    const golden = goldenCase(`journal-raid5-3-${left}`);
    const expected = golden.views.at(-1)!.volumes["volume"]!.sha256;
    for (const missing of [null, 0, 1, 2]) {
      const m = new Machine();
      const disks = [0, 1, 2, 3].filter((n) => n !== missing);
      for (const n of disks) m.files.bytes.set(m.disk(n), unpackImage(golden, n));
      const words = disks.map((n) => `$${n}`).join(" ");
      await m.ok(`-A $md0 --run ${words}`);
      const { sectors } = m.volume();
      expect(sha256(await m.do(readSectors(m.volume(), 0, sectors)))).toBe(expected);
      await m.ok("-S $md0");
      await m.ok(`-A $md0 --run ${words}`);
      expect(sha256(await m.do(readSectors(m.volume(), 0, sectors)))).toBe(expected);
      await m.ok("-S $md0");
    }
  },
);
