/** Writes behind, in whole arrays: a flush promises more than the fast member has, and nobody calls clean what is still on its way. */
import { beforeEach, describe, expect, it } from "vitest";
import { settled } from "../../../test/support/crash-disks.ts";
import { CutDisks } from "../../../test/support/cut-disks.ts";
import { seedOfRun } from "../../../test/support/seed.ts";
import { versionIn } from "../../../test/support/sector-oracle.ts";
import { stamped } from "../../sim/stamp.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { createOnDisks, runArray } from "../../../test/support/written-array.ts";
import { Prng } from "../../base/prng.ts";
import { BioFlags } from "../../block/bio.ts";
import { flush, writeSectors } from "../../block/promises.ts";
import type { RunningArray } from "./array.ts";

const SEED = seedOfRun();
const DATA_OFFSET = 256;
const SLOW = 1;

let time: VirtualTime;
let disks: CutDisks;
let array: RunningArray;

/** Of what no flush has covered nothing is on the disk after a cut. */
class NoLuck extends Prng {
  override below(): number {
    return 0;
  }

  override chance(): boolean {
    return false;
  }
}

/** All I/O that can end does. */
async function pump(): Promise<void> {
  for (let quiet = 0; quiet < 3; quiet += 1) {
    await settled();
    while (disks.step()) {
      quiet = 0;
      await settled();
    }
  }
}

async function until<T>(promise: Promise<T>): Promise<T> {
  await pump();
  return promise;
}

/** What has become of it, without waiting for it. */
async function outcome(promise: Promise<unknown>): Promise<string> {
  await pump();
  return Promise.race([promise.then(() => "done"), settled().then(() => "waits")]);
}

/** A raid1 whose second member is slow, dirty, and with a write to sector 0 that has not got there. */
beforeEach(async () => {
  const prng = new Prng(SEED);
  const bitmap = { chunkSectors: 128, delaySeconds: 5, writeBehind: 8 };
  const dataOffsetSectors = DATA_OFFSET;
  const asked = { level: "raid1", chunkSectors: null, bitmap, dataOffsetSectors } as const;
  const request = { ...asked, raidDisks: 2, assumeClean: true, force: true };
  const made = createOnDisks(prng, 2, DATA_OFFSET + 256, request);
  time = new VirtualTime();
  disks = new CutDisks(
    prng,
    made.map(({ bytes }) => bytes),
  );
  array = await until(runArray(disks.disks, time));
  array.members.at(SLOW).member!.writeMostly = true;
  await until(writeSectors(array, 0, stamped(0, 8, 1)));
  disks.disks[SLOW]!.isHung = true;
  await until(writeSectors(array, 0, stamped(0, 8, 2)));
});

/** The version of sector 0 on the slow member when the power has failed, and the fast member with it. */
function leftOnSlow(): number | null {
  const image = disks.cut(new NoLuck(0))[SLOW]!;
  return versionIn(image.subarray(DATA_OFFSET * 512, (DATA_OFFSET + 1) * 512), 0);
}

describe(`with a write behind (seed ${SEED})`, () => {
  it("a flush waits for it, and for no more: the next write is not behind", async () => {
    const flushed = flush(array);
    expect(await outcome(flushed)).toBe("waits");
    const next = writeSectors(array, 16, stamped(16, 8, 3));
    expect(await outcome(next)).toBe("waits");
    disks.disks[SLOW]!.answer();
    await until(flushed);
    await until(next);
    expect(leftOnSlow()).toBe(2);
  });

  it("so does a write that is to come after a flush", async () => {
    const written = writeSectors(array, 16, stamped(16, 8, 3), BioFlags.preflush);
    expect(await outcome(written)).toBe("waits");
    disks.disks[SLOW]!.answer();
    await until(written);
    expect(leftOnSlow()).toBe(2);
  });

  it("the array stays dirty, however much time passes", async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      time.next();
      await pump();
    }
    expect(array.record.isClean).toBe(false);
    await expect(array.setState("clean")).rejects.toThrow("being written to");
    disks.disks[SLOW]!.answer();
    await pump();
    time.next();
    await pump();
    expect(array.record.isClean).toBe(true);
  });

  it("stopping it waits, and so does whoever suspends writes", async () => {
    const suspended = array.suspendWrites({ sector: 0, sectors: 0 });
    expect(await outcome(suspended)).toBe("waits");
    const closed = array.close();
    expect(await outcome(closed)).toBe("waits");
    disks.disks[SLOW]!.answer();
    await until(Promise.all([suspended, closed]));
    expect(array.record.isClean).toBe(true);
    expect(leftOnSlow()).toBe(2);
  });
});
