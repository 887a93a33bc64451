import { describe, expect, it, test } from "vitest";
import { goldenCase, goldenCases } from "../../../test/support/golden.ts";
import type { GoldenCase } from "../../../test/support/golden.ts";
import { goldenArray, standingOf } from "../../../test/support/golden-array.ts";
import type { GoldenArray } from "../../../test/support/golden-array.ts";
import { goldenMembers } from "../../../test/support/golden-members.ts";
import { VirtualTime } from "../../../test/support/virtual-time.ts";
import { readSectors, writeSectors } from "../../block/promises.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import { decodeBitmap } from "../../formats/md/bitmap.ts";
import { superblock1 } from "../../formats/md/superblock-1-layout.ts";
import { PPL_SECTORS } from "../create/places.ts";
import { probeMdSuperblocks } from "../probe.ts";
import { BadBlockTable } from "./bad-block-table.ts";
import { Member } from "./member.ts";
import { Members } from "./members.ts";
import { Metadata } from "./metadata.ts";
import { freeDeviceNumber, newMember, prepareMember } from "./new-member.ts";
import type { NewMember, NewMemberRequest } from "./new-member.ts";

const DEVICE_UUID = Uint8Array.from({ length: 16 }, (_unused, at) => 0xa0 + at);

type Wish = Partial<NewMemberRequest["joining"]> & {
  readonly sectors?: number;
  readonly number?: number;
  readonly device?: MemoryDevice;
  readonly badBlockLog?: boolean;
};

function request({ members, record, bitmap }: GoldenArray, wish: Wish = {}): NewMemberRequest {
  const array = { name: "md0", members, record };
  const sectors = wish.sectors ?? members.attached[0]!.device.sectors;
  return {
    array,
    bitmap,
    device: wish.device ?? new MemoryDevice({ name: "new", sectors }),
    joining: {
      label: "new",
      deviceUuid: DEVICE_UUID,
      isJournal: false,
      writeMostly: false,
      failFast: false,
      node: { major: 7, minor: 9 },
      oldSuperblockSectors: [],
      ...wish,
    },
    number: wish.number ?? freeDeviceNumber(array),
    badBlockLog: wish.badBlockLog ?? true,
    journalSequence: 5n,
  };
}

function accepted(wanted: NewMemberRequest): NewMember {
  const made = newMember(wanted);
  if (made.kind !== "ok") throw new Error(made.reason);
  return made;
}

function refusal(wanted: NewMemberRequest): string {
  const made = newMember(wanted);
  return made.kind === "refused" ? made.reason : "it was taken";
}

async function arrayOf(name: string): Promise<GoldenArray> {
  return goldenArray(await goldenMembers(goldenCase(name)));
}

function takesNewMembers({ level = "", family }: GoldenCase): boolean {
  return !["", "linear", "raid0"].includes(level) && family !== "reshape" && family !== "dm";
}

/** What is decided by whoever makes the member, and stays. */
function placesIn({ superblock }: { readonly superblock: Member["superblock"] }): object {
  const { superSector, dataOffsetSectors, dataSectors, bitmapSector, ppl } = superblock;
  const { arrayUuid, deviceUuid, name, createdSeconds, shape, componentSectors } = superblock;
  const log = superblock.badBlockLog;
  return {
    superSector,
    dataOffsetSectors,
    dataSectors,
    bitmapSector,
    ppl,
    log: log === null ? null : [log.startSector, log.sectors, log.shift],
    arrayUuid,
    deviceUuid,
    name,
    createdSeconds,
    shape,
    componentSectors,
  };
}

describe("a new member looks like the one that mdadm made", () => {
  for (const golden of goldenCases({ kind: "md" }).filter(takesNewMembers)) {
    test(golden.name, async () => {
      const all = (await goldenMembers(golden)).filter(
        ({ superblock }) => superblock.shape !== null,
      );
      for (const theirs of all) {
        const others = all.filter((one) => one !== theirs);
        const { superblock, disk, image } = theirs;
        if (!others.some((one) => standingOf(one).kind === "in-sync")) continue;
        const array = goldenArray(others);
        const made = newMember(
          request(array, {
            sectors: disk.length / 512,
            number: superblock.deviceNumber,
            isJournal: superblock.role.kind === "journal",
            ...(superblock.version === "0.90"
              ? {}
              : { deviceUuid: superblock1.decode(image).deviceUuid }),
          }),
        );
        // Too few are left of some: no array to join.
        if (made.kind === "refused") expect(made.reason).toMatch(/has failed/);
        else expect(placesIn(made.member)).toEqual(placesIn(theirs));
      }
    });
  }
});

/** What a device says, once its superblock was written with those of all others. */
async function attached(
  array: GoldenArray,
  made: NewMember,
): Promise<readonly Member["superblock"][]> {
  const { members, record } = array;
  await prepareMember(made);
  members.attach(made.member);
  const metadata = new Metadata({
    members,
    record,
    bitmap: null,
    clock: new VirtualTime(),
    goneEvents: 0,
    failed: ({ error }) => {
      throw error;
    },
  });
  await new Promise<void>((done) => metadata.commit("members", done));
  const probed = await Promise.all(
    members.attached.map(({ device }) => probeMdSuperblocks(device)),
  );
  return probed.map(({ primary }) => primary!);
}

test("it is a spare for all, with the events of all", async () => {
  const array = await arrayOf("raid5-4-ls-c64");
  const made = accepted(request(array, { writeMostly: true, failFast: true }));
  expect(made.member.standing).toEqual({ kind: "spare" });
  const said = await attached(array, made);
  expect(said.map(({ roles }) => roles[made.member.number])).toEqual(
    said.map(() => ({ kind: "spare" })),
  );
  expect(new Set(said.map(({ events }) => events)).size).toBe(1);
  const own = said.at(-1)!;
  expect(own).toMatchObject({ deviceNumber: 5, role: { kind: "spare" }, checksumOk: true });
  expect(own).toMatchObject({ writeMostly: true, failFast: true, replacement: false });
  expect(own.deviceUuid).toBe("a0a1a2a3:a4a5a6a7:a8a9aaab:acadaeaf");
});

test("in 0.90 it gets the number that its place has, and names its node", async () => {
  const array = await arrayOf("raid1-3-m090");
  const first = await attached(array, accepted(request(array)));
  expect(first.at(-1)).toMatchObject({ deviceNumber: 3, role: { kind: "spare" } });
  const second = await attached(array, accepted(request(array)));
  expect(second.map(({ deviceNumber }) => deviceNumber)).toEqual([0, 1, 2, 3, 4]);
  expect(array.members.attached.at(-1)!.node).toEqual({ major: 7, minor: 9 });
});

test("of an array with a bitmap it has one, all dirty, and what stood there before is gone", async () => {
  const array = await arrayOf("raid1-2-bitmap");
  const device = new MemoryDevice({ name: "old", sectors: 16384 });
  await writeSectors(device, 16, new Uint8Array(512 * 64).fill(0x55));
  await writeSectors(device, 16000, new Uint8Array(4096).fill(0x55));
  const wish = { device, oldSuperblockSectors: [16000] };
  const made = accepted(request(array, wish));
  await prepareMember(made);
  const { bitmapSector, badBlockLog } = made.member.superblock;
  const bytes = await readSectors(device, bitmapSector!, 8);
  const decoded = decodeBitmap(bytes);
  expect(decoded).toMatchObject({ kind: "ok", bitmap: { events: 0, major: 4 } });
  expect(bytes.subarray(256).every((byte) => byte === 0xff)).toBe(true);
  const log = await readSectors(device, badBlockLog!.startSector, 8);
  expect(log.every((byte) => byte === 0xff)).toBe(true);
  const old = await readSectors(device, 16000, 8);
  expect(old.every((byte) => byte === 0)).toBe(true);
});

test("a member of an array with PPL has an empty one, and a journal an empty log", async () => {
  const ppl = accepted(request(await arrayOf("ppl-raid5-3-clean"), { sectors: 16384 }));
  expect(ppl.member.superblock.ppl!.sectors).toBe(PPL_SECTORS);
  expect(ppl.writes.map(({ what }) => what)).toContain("ppl");
  const all = await goldenMembers(goldenCase("journal-raid5-3-clean"));
  const array = goldenArray(all.filter((one) => standingOf(one).kind !== "journal"));
  const journal = accepted(request(array, { isJournal: true, sectors: 4096 }));
  expect(journal.member.standing).toEqual({ kind: "journal" });
  expect(journal.member.superblock).toMatchObject({ role: { kind: "journal" } });
  expect(journal.member.journalTailSectors).toBe(0);
  const log = journal.writes.find(({ what }) => what === "journal")!;
  expect(log.sector).toBe(journal.member.dataOffset);
});

describe("refused, in one sentence", () => {
  it("a device that is too small, by a sector", async () => {
    const cases = [
      ["raid5-4-ls-c64", 0],
      ["raid1-2-m11", 0],
      // Bitmap, log, and the superblock 8 KiB before the end.
      ["raid5-3-ra-c16-m10", 8 + 8 + 16],
      ["raid1-3-m090", 128],
    ] as const;
    for (const [name, behindData] of cases) {
      const array = await arrayOf(name);
      const { dataOffsetSectors } = array.members.attached[0]!.superblock;
      const least = dataOffsetSectors + array.record.componentSectors + behindData;
      expect(accepted(request(array, { sectors: least })).writes.length).toBeGreaterThanOrEqual(0);
      expect(refusal(request(array, { sectors: least - 1 }))).toMatch(
        /^new is too small for md0: of its \d+ sectors \d+ are left for data, and it takes \d+\.$/,
      );
      expect(refusal(request(array, { sectors: 8 }))).toMatch(/^new cannot join md0: .*no room/);
    }
  });

  it("a device that is there already, or whose number is", async () => {
    const array = await arrayOf("raid5-4-ls-c64");
    const device = array.members.attached[1]!.device as MemoryDevice;
    expect(refusal(request(array, { device }))).toBe("new is in md0.");
    expect(refusal(request(array, { number: 2 }))).toBe("md0 has a device 2 already, d2.");
  });

  it("whatever would be written to an array that has failed", async () => {
    const array = await arrayOf("raid5-4-ls-c64");
    for (const number of [0, 2]) array.members.withNumber(number)!.standing = { kind: "faulty" };
    expect(refusal(request(array))).toMatch(/^md0 has failed: adding new would destroy/);
  });

  it("spares of arrays without redundancy, journals of arrays without a log or with one", async () => {
    expect(refusal(request(await arrayOf("raid0-2x8-c64")))).toMatch(/no use for spares/);
    const plain = request(await arrayOf("raid5-4-ls-c64"), { isJournal: true });
    expect(refusal(plain)).toBe("md0 does not keep a journal, so new cannot be its journal.");
    const logged = request(await arrayOf("journal-raid5-3-clean"), { isJournal: true });
    expect(refusal(logged)).toMatch(/^md0 has a journal already/);
  });
});

describe("a bitmap that a kernel put elsewhere", () => {
  /** A 1.0 array whose bitmap begins so many sectors from the superblock. */
  async function moved(offset: number): Promise<GoldenArray> {
    const array = await arrayOf("raid5-3-ra-c16-m10");
    const attachedThen = array.members.attached.map((member) => {
      const { superblock, standing, image, device, label } = member;
      const at = { ...superblock, bitmapSector: superblock.superSector + offset };
      const badBlocks = new BadBlockTable(null, []);
      return new Member({ label, device, superblock: at, image, standing, badBlocks });
    });
    const members = new Members(array.record.raidDisks, attachedThen);
    return { ...array, members, record: { ...array.record, componentSectors: 8192 } };
  }

  it("has the same place on a new member, from the superblock", async () => {
    const array = await moved(-32);
    const { superblock } = accepted(request(array)).member;
    expect(superblock.bitmapSector! - superblock.superSector).toBe(-32);
    expect(superblock.dataSectors).toBe(superblock.superSector - 32);
    expect(superblock.badBlockLog!.startSector).toBe(superblock.superSector - 8);
  });

  it("leaves no place for a log where it lies at that place", async () => {
    const { superblock } = accepted(request(await moved(-8))).member;
    expect(superblock.badBlockLog).toBeNull();
    const behind = accepted(request(await moved(2))).member.superblock;
    expect(behind.bitmapSector).toBe(behind.superSector + 2);
    expect(behind.dataSectors).toBe(behind.superSector - 8);
    expect(behind.badBlockLog!.startSector).toBe(behind.superSector - 8);
  });

  it("is never put into the data", async () => {
    const array = await moved(-4096);
    const sectors = array.record.componentSectors + 2048;
    expect(refusal(request(array, { sectors }))).toMatch(/too small/);
  });
});
