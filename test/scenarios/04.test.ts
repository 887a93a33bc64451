/** mdadm's tests 04*: superblocks are changed when an array is assembled. */
import { expect, it } from "vitest";
import { superblock090, superblock090Checksum } from "../../src/formats/md/superblock-090.ts";
import { Machine } from "./machine.ts";

const UUID = "0123456789abcdef:fedcba9876543210";
const SHOWN = "01234567:89abcdef:fedcba98:76543210";
/** Of a disk of 20000 KiB. */
const PLACE_090 = 19_904 * 1024;

it("04r0update", async () => {
  const m = new Machine();
  await m.ok("-CR -e0.90 $md0 -llinear -n3 $0 $1 $2");
  await m.holds(3, 19_904, 1);
  const minor = async (): Promise<string> =>
    /Preferred Minor : (\d+)/.exec((await m.ok("-E $0")).stdout)?.[1] ?? "";
  expect(await minor()).toBe("0");
  await m.ok("-S $md0");
  await m.ok("-A $md1 $0 $1 $2");
  expect(await minor()).toBe("0");
  await m.ok("-S $md1");
  await m.ok("-A $md1 --update=super-minor $0 $1 $2");
  expect(await minor()).toBe("1");
});

it("04r1update", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 --level 1 -n2 $0 $1");
  await m.wait();
  await m.ok("-S $md0");
  await m.ok("-A $md0 $0 $1");
  await m.noSync();
  await m.ok("-S $md0");
  await m.ok("-A $md0 -U resync $0 $1");
  await m.syncing("resync");
});

/** What a machine with the other byte order would have written. */
function swapSuperblock(m: Machine, disk: number): void {
  const image = m.bytesOf(disk).subarray(PLACE_090, PLACE_090 + 4096);
  const raw = superblock090.decode(image, 0, "little");
  superblock090.encodeInto(image, 0, raw, "big");
  superblock090.encodeInto(image, 0, { sbCsum: superblock090Checksum(image, "big") }, "big");
}

it("04r5swap", async () => {
  const m = new Machine();
  await m.ok("-CR $md0 -e 0.90 -l5 -n4 $*3");
  await m.pass(6000);
  await m.ok("-S $md0");
  const examined = await m.ok("-E --metadata=0 $1");
  for (const disk of [0, 1, 2, 3]) swapSuperblock(m, disk);
  const swapped = await m.ok("-E --metadata=0.swap $1");
  const plain = (text: string): string => text.replace(/^.*Checksum.*\n/m, "");
  expect(plain(swapped.stdout)).toBe(plain(examined.stdout));
  await m.ok("-A --update=byteorder $md0 $*3");
  await m.syncing("recovery");
  await m.ok("-S $md0");
  expect((await m.ok("-E --metadata=0 $1")).stdout).toContain("0.90");
});

/** Of version 0.90, in sync: of version 1.0 then, with the same data. */
async function converts(m: Machine, level: string, copies: number): Promise<void> {
  await m.ok(`-CR --assume-clean -e 0.90 $md0 -l ${level} -n4 $*3`);
  await m.holds(copies, 19_904, 64);
  const data = await m.fill(11);
  const { uuid } = await m.view();
  await m.ok("-S $md0");
  await m.ok("-A $md0 --update=metadata $*3");
  expect(await m.view()).toMatchObject({ uuid, metadata: "1.0", degraded: 0 });
  await m.contains(data);
  await m.holds(copies, 19_904, 64);
  await m.ok("-S $md0");
  await m.ok("-A $md0 $*3");
  await m.noSync();
  await m.ok("-S $md0");
}

it("04update-metadata", async () => {
  const m = new Machine();
  await converts(m, "linear", 4);
  await converts(m, "raid1", 1);
  await converts(m, "raid5 -c 64", 3);
  await converts(m, "raid6 -c 64", 2);
  // It is 1.0 already.
  await m.fails("-A $md0 --update=metadata $*3");
  // Its resync is not at its end.
  await m.ok("-CR -e 0.90 $md0 --level=6 -n4 -c32 $*3");
  await m.syncing("resync");
  await m.ok("-S $md0");
  await m.fails("-A $md0 --update=metadata $*3");
  await m.ok("-A $md0 $*3");
  await m.wait();
  await m.ok("-S $md0");
  await m.ok("-A $md0 --update=metadata $*3");
  await m.ok("-S $md0");
  await m.ok("-CR --assume-clean -e 0.90 $md0 -l6 -n4 -c32 --bitmap=internal $*3");
  await m.ok("-S $md0");
  await m.fails("-A $md0 --update=metadata $*3");
  expect(await m.host.arrays()).toEqual([]);
});

it("04update-uuid", async () => {
  const bitmaps = ["", "-e1.0", "-e1.1"].map((metadata) => `${metadata} --bitmap=internal`);
  for (const kind of ["", "-e0.90", "-e1.0", "-e1.1", "-e1.2", ...bitmaps]) {
    const m = new Machine();
    await m.ok(`-CR ${kind} --assume-clean $md0 -l5 -n3 $0 $1 $2`);
    await m.ok("-S $md0");
    await m.silently(`-A $md0 --update=uuid --uuid=${UUID} $0 $1 $2`);
    await m.noSync();
    expect((await m.ok("-D $md0")).stdout).toContain(SHOWN);
    if (kind.includes("bitmap")) expect((await m.ok("-X $0")).stdout).toContain(SHOWN);
    await m.ok("-S $md0");
    await m.silently(`-A $md0 --uuid=${UUID} $0 $1 $2`);
  }
});
