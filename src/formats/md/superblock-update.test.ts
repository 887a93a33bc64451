import { describe, expect, it } from "vitest";
import { goldenCase, goldenCases } from "../../../test/support/golden.ts";
import { NOBODY, arrayOf, goldenMembers } from "../../../test/support/golden-members.ts";
import type { GoldenMemberImage } from "../../../test/support/golden-members.ts";
import { deviceNumbers090 } from "./superblock-090-update.ts";
import { superblock090, superblock090Checksum } from "./superblock-090.ts";
import type { Superblock090 } from "./superblock-090.ts";
import { readRoles, superblock1 } from "./superblock-1-layout.ts";
import type { Superblock1 } from "./superblock-1-layout.ts";
import { decodeSuperblock1 } from "./superblock-1.ts";
import { superblockPart, updateSuperblock } from "./superblock-update.ts";
import type { ArrayImage, DeviceImage } from "./superblock-update.ts";
import type { MdRole } from "./superblock.ts";

/** Says something else about everything that changes while an array runs. */
function somethingElse(array: ArrayImage, own: number): [ArrayImage, DeviceImage] {
  const role: MdRole = { kind: "faulty" };
  let next = array.raidDisks;
  const devices = array.devices.map((device) => ({
    ...device,
    number: next++,
    isOwn: device.number === own,
    role,
    hasBadBlocks: !device.hasBadBlocks,
    writeMostly: !device.writeMostly,
    failFast: !device.failFast,
    isReplacement: !device.isReplacement,
    correctedSectors: 77,
    recoveryOffsetSectors: 4711,
  }));
  const other = {
    ...array,
    events: array.events + 1000,
    updatedSeconds: 1,
    isClean: false,
    resyncOffsetSectors: 8,
    hasBitmap: !array.hasBitmap,
    hasPpl: !array.hasPpl,
    devices,
  };
  return [other, devices.find(({ isOwn }) => isOwn)!];
}

describe("what the kernel wrote comes out again", () => {
  it.each(goldenCases({ kind: "md" }))("$name", async (golden) => {
    for (const member of await goldenMembers(golden)) {
      const { superblock, image, index } = member;
      const array = arrayOf(member);
      const own = array.devices.find(({ number }) => number === superblock.deviceNumber)!;
      const [other, otherOwn] = somethingElse(array, own.number);
      const spoilt = updateSuperblock(superblock, image, other, otherOwn);
      expect(spoilt).not.toEqual(image);
      for (const start of [image, spoilt]) {
        const written = updateSuperblock(superblock, start, array, own);
        const raw = superblock.version === "0.90" ? superblock090 : superblock1;
        const order = superblock.byteOrder;
        expect(raw.decode(written, 0, order), `disk ${index}`).toEqual(raw.decode(image, 0, order));
        expect(Buffer.compare(written, image), `disk ${index}`).toBe(0);
      }
    }
  });
});

/** A golden image in the byte order of the other kind of machine. */
function bigEndian(member: GoldenMemberImage): GoldenMemberImage {
  const { image, superblock } = member;
  const turned = superblock090.encode(superblock090.decode(image), "big");
  const sbCsum = superblock090Checksum(turned, "big");
  superblock090.encodeInto(turned, 0, { sbCsum }, "big");
  return { ...member, image: turned, superblock: { ...superblock, byteOrder: "big" } };
}

describe("0.90", () => {
  it.each(["raid1-3-m090", "raid5-4-pl-c128-m090", "reshape-backupfile-raid5-chunk64to32"])(
    "%s: in the byte order of big-endian machines",
    async (name) => {
      for (const member of (await goldenMembers(goldenCase(name))).map(bigEndian)) {
        const { superblock, image } = member;
        const array = arrayOf(member);
        const own = array.devices.find(({ number }) => number === superblock.deviceNumber)!;
        const spoilt = updateSuperblock(superblock, image, ...somethingElse(array, own.number));
        expect(updateSuperblock(superblock, spoilt, array, own)).toEqual(image);
      }
    },
  );

  const active = (slot: number): DeviceImage => ({
    ...NOBODY,
    number: slot,
    role: { kind: "active", slot },
  });
  const spare: DeviceImage = { ...NOBODY, number: 3, role: { kind: "spare" } };
  const recovering: DeviceImage = { ...active(1), number: 3, recoveryOffsetSectors: 64 };

  it("numbers: active ones by slot, all others behind, in the order in which they were attached", () => {
    const faulty: DeviceImage = { ...NOBODY, number: 1, role: { kind: "faulty" } };
    expect(deviceNumbers090([active(0), faulty, active(2), spare], 3, false)).toEqual([0, 3, 2, 4]);
    expect(deviceNumbers090([recovering, active(0), active(2)], 3, false)).toEqual([3, 0, 2]);
    expect(deviceNumbers090([recovering, active(0), active(2)], 3, true)).toEqual([1, 0, 2]);
    // A rebuilt spare takes the number of its slot.
    const rebuilt = { ...recovering, recoveryOffsetSectors: null };
    expect(deviceNumbers090([active(0), rebuilt, active(2)], 3, false)).toEqual([0, 1, 2]);
  });

  async function after(change: Partial<ArrayImage>): Promise<Superblock090> {
    const [member] = await goldenMembers(goldenCase("raid1-3-m090"));
    const array = { ...arrayOf(member!), ...change };
    const own = array.devices.find(({ role }) => role.kind === "active")!;
    return superblock090.decode(updateSuperblock(member!.superblock, member!.image, array, own));
  }

  it("a missing slot 0 is removed only, and not counted; others are removed, faulty and counted", async () => {
    const raw = await after({ devices: [active(2)] });
    const states = raw.disks.slice(0, 4).map(({ state }) => state);
    expect(states).toEqual([8, 9, 6, 0]);
    expect(raw.disks[1]).toMatchObject({ number: 1, raidDisk: 1, major: 0, minor: 0 });
    expect(raw).toMatchObject({ nrDisks: 1, activeDisks: 1, workingDisks: 1, failedDisks: 1 });
    expect(raw.thisDisk.number).toBe(2);
  });

  it("a faulty device that is still attached is a device, and none that failed", async () => {
    const faulty: DeviceImage = { ...NOBODY, number: 3, role: { kind: "faulty" } };
    const raw = await after({ devices: [active(0), active(2), faulty] });
    expect(raw.disks.slice(0, 4).map(({ state }) => state)).toEqual([6, 9, 6, 1]);
    const counts = { nrDisks: 3, activeDisks: 2, workingDisks: 2, failedDisks: 1, spareDisks: 0 };
    expect(raw).toMatchObject(counts);
  });

  it("a recovering device stands among the spares", async () => {
    const raw = await after({ devices: [active(0), active(2), recovering] });
    expect(raw.disks.slice(0, 4).map(({ state }) => state)).toEqual([6, 9, 6, 0]);
    expect(raw).toMatchObject({ nrDisks: 3, activeDisks: 2, workingDisks: 3, spareDisks: 1 });
  });

  it("the checkpoint counts while the array is clean, and is cut to what 32 bits can say", async () => {
    const CLEAN = 1;
    const { events } = await after({});
    expect(await after({ isClean: false })).toMatchObject({ cpEvents: 0n, recoveryCp: 0 });
    expect((await after({ isClean: false })).state & CLEAN).toBe(0);
    const checkpoint = await after({ resyncOffsetSectors: 4096 });
    expect(checkpoint).toMatchObject({ cpEvents: events, recoveryCp: 4096 });
    expect(checkpoint.state & CLEAN).toBe(0);
    expect(await after({ resyncOffsetSectors: 2 ** 33 })).toMatchObject({
      recoveryCp: 2 ** 32 - 1,
    });
    expect((await after({})).state & CLEAN).toBe(CLEAN);
  });
});

describe("version 1", () => {
  async function start(name = "raid5-4-ls-c64"): Promise<[GoldenMemberImage, ArrayImage]> {
    const [member] = await goldenMembers(goldenCase(name));
    return [member!, arrayOf(member!)];
  }

  function update(member: GoldenMemberImage, array: ArrayImage, device?: DeviceImage): Superblock1 {
    const own = device ?? array.devices[0]!;
    return superblock1.decode(updateSuperblock(member.superblock, member.image, array, own));
  }

  it("a dirty array says that nothing is in sync, whatever its checkpoint", async () => {
    const [member, array] = await start();
    expect(update(member, array).resyncOffset).toBe(2n ** 64n - 1n);
    expect(update(member, { ...array, isClean: false }).resyncOffset).toBe(0n);
    const checkpoint = { ...array, resyncOffsetSectors: 4096 };
    expect(update(member, checkpoint).resyncOffset).toBe(4096n);
    expect(update(member, { ...checkpoint, isClean: false }).resyncOffset).toBe(0n);
  });

  it("with a journal an array in sync stays so while it is dirty; one that never was does not", async () => {
    const [member, array] = await start("journal-raid5-3-clean");
    const dirty = { ...array, isClean: false, resyncOffsetSectors: Infinity };
    expect(update(member, dirty).resyncOffset).toBe(2n ** 64n - 1n);
    expect(update(member, { ...dirty, resyncOffsetSectors: 64 }).resyncOffset).toBe(0n);
    const devices = array.devices.filter(({ role }) => role.kind !== "journal");
    expect(update(member, { ...dirty, devices }).resyncOffset).toBe(0n);
  });

  it("a recovering device alone says how far it is; the other bits follow", async () => {
    const [member, array] = await start();
    const [own, ...others] = array.devices as [DeviceImage, ...DeviceImage[]];
    const recovering = { ...own, recoveryOffsetSectors: 2048, recoveryByBitmap: true };
    const image = { ...array, devices: [recovering, ...others] };
    expect(update(member, image)).toMatchObject({ featureMap: 2, recoveryOffset: 2048n });
    expect(update(member, { ...image, hasBitmap: true }).featureMap).toBe(1 + 2 + 128);
    const all = {
      ...own,
      recoveryOffsetSectors: Infinity,
      isReplacement: true,
      hasBadBlocks: true,
    };
    const rebuilt = update(member, { ...array, devices: [all, ...others] });
    expect(rebuilt).toMatchObject({ featureMap: 2 + 8 + 16, recoveryOffset: 2n ** 64n - 1n });
    expect(update(member, image, others[0])).toMatchObject({ featureMap: 0, recoveryOffset: 0n });
  });

  it("the table of roles grows with the numbers, and never shrinks", async () => {
    const [member, array] = await start();
    const { maxDev } = superblock1.decode(member.image);
    const late: DeviceImage = { ...NOBODY, number: 300, role: { kind: "faulty" } };
    const devices = [...array.devices, late];
    const grown = updateSuperblock(
      member.superblock,
      member.image,
      { ...array, devices },
      array.devices[0]!,
    );
    expect(superblock1.decode(grown).maxDev).toBe(301);
    expect(readRoles(grown, 301).slice(-2)).toEqual([0xffff, 0xfffe]);
    expect(superblockPart(member.superblock, grown).length).toBe(1024);
    const again = updateSuperblock(member.superblock, grown, array, array.devices[0]!);
    expect(superblock1.decode(again).maxDev).toBe(301);
    expect(maxDev).toBeLessThan(301);
    expect(decodeSuperblock1(again, "1.2", { sector: 8, deviceSectors: 16384 })).toMatchObject({
      kind: "ok",
      superblock: { checksumOk: true },
    });
  });

  it("only what is the superblock's own is written: a bitmap may lie 1 KiB behind its start", async () => {
    const [member] = await start();
    expect(superblockPart(member.superblock, member.image).length).toBeLessThanOrEqual(1024);
    const [old] = await start("raid1-3-m090");
    expect(superblockPart(old.superblock, old.image).length).toBe(4096);
  });
});
