import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { goldenCase, unpackImage } from "../../test/support/golden.ts";
import { HoldfastError } from "../base/errors.ts";
import { bitmapSuper } from "../formats/md/bitmap.ts";
import { superblock1, superblock1Checksum } from "../formats/md/superblock-1-layout.ts";
import { probeMdSuperblocks, readBadBlocks, readMemberBitmap } from "./probe.ts";

function diskOf(name: string, index = 0): ArrayDevice {
  const golden = goldenCase(name);
  const device = new ArrayDevice(golden.members[index]!.bytes / 512);
  device.bytes.set(unpackImage(golden, index));
  return device;
}

/** Changes fields of the version 1 superblock at `sector` and puts its checksum right. */
function edit(device: ArrayDevice, sector: number, changes: object): void {
  const data = device.bytes.subarray(sector * 512, sector * 512 + 4096);
  superblock1.encodeInto(data, 0, changes);
  const { maxDev } = superblock1.decode(data);
  superblock1.encodeInto(data, 0, { sbCsum: superblock1Checksum(data, maxDev) });
}

describe("probeMdSuperblocks", () => {
  it("finds each version at its place", async () => {
    for (const [name, version] of [
      ["raid1-3-m090", "0.90"],
      ["raid1-2-writemostly-m10", "1.0"],
      ["raid1-2-m11", "1.1"],
      ["raid1-2-bitmap", "1.2"],
    ] as const) {
      const { primary, secondary, bad } = await probeMdSuperblocks(diskOf(name));
      expect(primary?.version).toBe(version);
      expect([secondary, bad]).toEqual([[], []]);
    }
  });

  it("takes the latest created, and keeps the others as secondary", async () => {
    const device = diskOf("raid1-2-bitmap");
    const old = diskOf("raid1-3-m090");
    const at = old.bytes.length - 65536;
    device.bytes.set(old.bytes.subarray(at, at + 4096), device.bytes.length - 65536);
    const before = await probeMdSuperblocks(device);
    const created = before.primary!.createdSeconds;
    expect(before.secondary).toHaveLength(1);

    // Created at the same time: the older version comes first. A second later: it does not.
    const other = [before.primary!, ...before.secondary].find((one) => one.version === "0.90")!;
    edit(device, 8, { ctime: BigInt(other.createdSeconds) });
    expect((await probeMdSuperblocks(device)).primary!.version).toBe("0.90");
    edit(device, 8, { ctime: BigInt(other.createdSeconds + 1) });
    const after = await probeMdSuperblocks(device);
    expect(after.primary!.version).toBe("1.2");
    expect(after.secondary.map(({ version }) => version)).toEqual(["0.90"]);
    expect(created).toBeGreaterThan(0);

    // A damaged one only counts when there is no other.
    superblock1.encodeInto(device.bytes, 4096, { sbCsum: 1 });
    const damaged = await probeMdSuperblocks(device);
    expect(damaged.primary!.version).toBe("0.90");
    expect(damaged.secondary[0]!.checksumOk).toBe(false);
  });

  it("reports what cannot be right, with its fields", async () => {
    const whole = diskOf("raid1-2-bitmap");
    // Not even where its data should start is there.
    const cut = new ArrayDevice(1500);
    cut.bytes.set(whole.bytes.subarray(0, cut.bytes.length));
    const { primary, bad } = await probeMdSuperblocks(cut);
    expect(primary).toBeNull();
    expect(bad).toMatchObject([{ version: "1.2", sector: 8 }]);
    expect(bad[0]!.reason).toContain("only has room");
    expect(bad[0]!.fields.find(({ name }) => name === "magic")!.value).toBe("0xa92b4efc");
  });

  it("finds nothing on devices too small or empty", async () => {
    for (const sectors of [0, 1, 23, 24, 127, 128, 4096])
      expect(await probeMdSuperblocks(new ArrayDevice(sectors))).toEqual({
        primary: null,
        secondary: [],
        bad: [],
      });
  });

  it("rejects with the device's read error", async () => {
    const device = diskOf("raid1-2-m11");
    device.fault = () => new HoldfastError("io", "cannot read");
    await expect(probeMdSuperblocks(device)).rejects.toThrow("cannot read");
  });
});

describe("what else is on a member", () => {
  it("reads bad blocks only where the feature says the log is in use", async () => {
    const device = diskOf("badblocks-raid1-2");
    const superblock = (await probeMdSuperblocks(device)).primary!;
    const found = await readBadBlocks(device, superblock);
    expect(found).toEqual({ kind: "ok", ranges: [{ sector: 3048, sectors: 16 }] });
    const idle = { ...superblock, badBlockLog: { ...superblock.badBlockLog!, inUse: false } };
    expect(await readBadBlocks(device, idle)).toEqual({ kind: "ok", ranges: [] });
  });

  it("reads the bitmap, also up to the end of the device", async () => {
    const device = diskOf("raid1-2-bitmap");
    const superblock = (await probeMdSuperblocks(device)).primary!;
    const bitmap = await readMemberBitmap(device, superblock);
    expect(bitmap?.decoded.kind).toBe("ok");
    expect(await bitmap!.read(3, 5)).toHaveLength(5);
    const last = { ...superblock, bitmapSector: device.sectors - 1 };
    const short = await readMemberBitmap(device, last);
    expect(short?.decoded.kind).toBe("none");
    expect(await short!.read(256, 4096)).toHaveLength(256);
    expect(await readMemberBitmap(device, { ...superblock, bitmapSector: null })).toBeNull();
  });
});

describe("a bitmap that says it is larger than there is room", () => {
  it.each([
    ["raid1-2-bitmap", "1.2: up to the data"],
    ["raid1-2-writemostly-m10", "1.0: up to the end"],
  ])("is not looked through: %s, %s", async (name) => {
    const device = diskOf(name);
    const { primary } = await probeMdSuperblocks(device);
    const before = await readMemberBitmap(device, primary!);
    expect(before?.decoded.kind).toBe("ok");
    const at = primary!.bitmapSector! * 512;
    const bytes = device.bytes.subarray(at, at + 256);
    bitmapSuper.encodeInto(bytes, 0, { syncSize: 1n << 45n });
    const bitmap = await readMemberBitmap(device, primary!);
    expect(bitmap?.decoded).toMatchObject({
      kind: "bad",
      reason: expect.stringMatching(/would take \d+ sectors, and there is room for \d+/),
    });
  });
});
