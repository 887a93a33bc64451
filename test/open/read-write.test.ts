/**
 * `bin/holdfast open --read-write` on disks that the kernel wrote: clients write through the array, and when it has stopped mdadm finds
 * clean members, and a second look the same bytes, also without one of the members.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { randomBytes } from "../support/bytes.ts";
import { goldenCase, sha256, unpackToFolder } from "../support/golden.ts";
import type { UnpackedCase } from "../support/golden.ts";
import { run, runWell } from "../support/nbd-server.ts";
import { readSets, refusalsOf } from "../support/open.ts";
import { peerTest } from "../support/peers.ts";
import { HOLDFAST, whileServed } from "../support/served.ts";
import type { Backend } from "../support/served.ts";
import { seedOfRun } from "../support/seed.ts";
import { testFolder } from "../support/temp.ts";

function unpacked(name: string): UnpackedCase {
  const disks = unpackToFolder(goldenCase(name));
  onTestFinished(() => disks.remove());
  return disks;
}

/** The digest of the one volume that the disks make up. */
async function digestOf(paths: readonly string[]): Promise<string> {
  const sets = await readSets(paths);
  expect(sets.volumes, refusalsOf(sets)).toHaveLength(1);
  return sets.volumes[0]!.sha256;
}

async function expectClean(disks: readonly string[]): Promise<void> {
  for (const disk of disks)
    expect(await runWell("mdadm", ["--examine", disk])).toMatch(/^ *State : clean$/m);
}

const BACKENDS: readonly Backend[] = ["best", "node"];

describe.each(BACKENDS)("open --read-write, backend %s", (backend) => {
  for (const name of ["raid1-2-bitmap", "raid5-4-ext4", "crash-raid6-4-bitmap"]) {
    const programs = ["nbdcopy", "nbdinfo", "qemu-io", "mdadm"];
    peerTest(programs, `writes through ${name}, and leaves it clean`, async () => {
      const { disks } = unpacked(name);
      const image = join(testFolder("written"), "image");
      const seed = seedOfRun();
      await whileServed(["--read-write", ...disks], backend, async (uri) => {
        const bytes = Number(await runWell("nbdinfo", ["--size", uri]));
        const content = randomBytes(new Prng(seed), bytes);
        writeFileSync(image, content);
        await runWell("nbdcopy", ["--", image, uri]);
        const orders = ["write -P 0x5a 4096 4096", "write -P 0xa5 70144 140800", "flush"];
        await runWell("qemu-io", ["-f", "raw", ...orders.flatMap((order) => ["-c", order]), uri]);
        content.fill(0x5a, 4096, 8192).fill(0xa5, 70144, 70144 + 140800);
        writeFileSync(image, content);
        // Nothing is read from a copy that lacks it.
        await runWell("qemu-img", ["compare", "-f", "raw", "-F", "raw", image, uri]);
      });
      await expectClean(disks);
      const expected = sha256(readFileSync(image));
      expect(await digestOf(disks), `seed ${seed}`).toBe(expected);
      for (const lost of disks)
        expect(await digestOf(disks.filter((disk) => disk !== lost))).toBe(expected);
    });
  }

  peerTest(
    ["qemu-io", "mdadm"],
    "goes on with a member missing, and tells the others",
    async () => {
      const { disks } = unpacked("raid5-4-ext4");
      const [gone, ...left] = disks;
      await whileServed(["--read-write", ...left], backend, async (uri) => {
        await runWell("qemu-io", ["-f", "raw", "-c", "write -P 0x77 0 1M", uri]);
      });
      await expectClean(left);
      for (const disk of left)
        expect(await runWell("mdadm", ["--examine", disk])).toMatch(/^ *Array State : \.AAA /m);
      // Who missed it is not believed any more.
      const { volumes } = await readSets(disks);
      const member = volumes[0]!.report.members.find(({ path }) => path === gone);
      expect(member?.state).toBe("stale");
      expect(volumes[0]!.sha256).toBe(await digestOf(left));
    },
  );
});

describe("open --read-write refuses, and writes nothing", () => {
  it("an array in the middle of a reshape", async () => {
    const golden = goldenCase("reshape-raid5-3to4");
    const { disks } = unpacked("reshape-raid5-3to4");
    const { code, stderr } = await run(HOLDFAST, ["open", "--read-write", ...disks]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be opened: .*in the middle of a reshape.*without --read-write/);
    expect(disks.map((disk) => sha256(readFileSync(disk)))).toEqual(
      golden.members.map((member) => member.sha256),
    );
  });
});
