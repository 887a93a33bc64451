/**
 * Thin pools handed over: begun here, gone on with by the kernel, and here again, and the reverse. Each finds what the other left, as a model says;
 * status lines are the same; Debian's thin_check finds nothing wrong after either.
 */
import { join } from "node:path";
import { it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { writeStampFile } from "../support/stamp.ts";
import { testFolder } from "../support/temp.ts";
import { bootGuest } from "./guest.ts";
import type { GuestRun } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { BLOCKS, HandedPool } from "./thin-handed.ts";
import { SEEDS } from "./thin-plan.ts";

const TEST_MS = 300_000;
async function boot(folder: string, pools: readonly HandedPool[]): Promise<GuestRun> {
  const script = `set -e
    mods dm-mod dm-thin-pool
    mk() { dmsetup create $1 --table "$2"; dmsetup mknodes $1; }
    ${pools.map((pool) => pool.script()).join("\n")}`;
  return bootGuest({
    disks: pools.flatMap(({ disks }) => disks),
    shareDir: folder,
    script,
    timeoutMs: 200_000,
  });
}

const seed = seedOfRun();

peerDescribe([...GUEST_PROGRAMS, "thin_check", "thin_dump"], `thin pools, seed ${seed},`, () => {
  it("are gone on with by the kernel and here, whoever began", { timeout: TEST_MS }, async () => {
    await expectHandedOver();
  });
});

async function expectHandedOver(): Promise<void> {
  // The first two are begun here, the last by the kernel.
  const folder = shareWithStamps();
  const pools = [128, 384, 256].map(
    (size, index) => new HandedPool(folder, index, size, new Prng(seed + index)),
  );
  const begun = [await pools[0]!.here(), await pools[1]!.here(), null];
  const first = await boot(folder, pools);
  for (const [index, pool] of pools.entries()) pool.expectKernel(first, begun[index]!);
  const goneOn: string[][] = [];
  for (const pool of pools) goneOn.push(await pool.here());
  const second = await boot(shareWithStamps(), pools);
  for (const [index, pool] of pools.entries()) pool.expectKernel(second, goneOn[index]!);
}

function shareWithStamps(): string {
  const folder = testFolder("dm-thin");
  for (const each of SEEDS) writeStampFile(join(folder, `stamp-${each}`), each, BLOCKS * 384);
  return folder;
}
