import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { goldenCase, unpackImage } from "../../test/support/golden.ts";
import { HoldfastError } from "../base/errors.ts";
import { crc32 } from "../codec/crc32.ts";
import { superblock090Sector } from "../formats/md/superblock-090.ts";
import { mbrSector, mbrSlot } from "../formats/partitions/mbr.ts";
import { drbdSuperblock } from "../formats/signatures/drbd.ts";
import { extSuperblock } from "../formats/ext4.ts";
import { SIGNATURE_PROBES } from "../formats/signatures/registry.ts";
import { ddfHeader, imsmHeader } from "../formats/signatures/raid-anchors.ts";
import { bitlockerProbe } from "../formats/signatures/fat.ts";
import { deviceReport, identifyDevice } from "./identify.ts";

function deviceOf(bytes: Uint8Array, name = "disk"): ArrayDevice {
  const device = new ArrayDevice(bytes.length / 512, { readOnly: true }, name);
  device.bytes.set(bytes);
  return device;
}

function member(name: string, index: number): Uint8Array {
  return unpackImage(goldenCase(name), index);
}

/** A believable ext2 superblock at the start. */
function putExt(bytes: Uint8Array): void {
  bytes.fill(0, 1024, 2048);
  extSuperblock.encodeInto(bytes, 1024, {
    inodesCount: 128,
    blocksCount: 1024,
    firstDataBlock: 1,
    blocksPerGroup: 8192,
    inodesPerGroup: 128,
    magic: 0xef53,
    state: 1,
    revision: 1,
  });
}

function putTable(bytes: Uint8Array, type: number, firstBlock: number, blocks: number): void {
  const slots = new Uint8Array(64);
  mbrSlot.encodeInto(slots, 16, { type, firstBlock, blocks });
  mbrSector.encodeInto(bytes, 0, { slots, bootSignature: 0xaa55 });
}

async function texts(bytes: Uint8Array): Promise<string[]> {
  const { findings } = await identifyDevice(deviceOf(bytes));
  return findings.map((finding) => `${finding.type}: ${finding.text}`);
}

describe("identifyDevice", () => {
  it("tells content seen through a member with metadata at the end from a file system", async () => {
    for (const name of ["raid1-2-writemostly-m10", "raid1-3-m090"]) {
      const bytes = member(name, 0);
      putExt(bytes);
      const [first, second, ...more] = await texts(bytes);
      expect(first).toMatch(/^md-member: member 0 of raid1/);
      expect(second).toBe(
        "ext2: ext2 file system; content of the md-member, not a file system of its own",
      );
      expect(more).toEqual([]);
    }
  });

  it("does not follow the partition table of an array as one of its member", async () => {
    const bytes = member("raid1-2-writemostly-m10", 0);
    putTable(bytes, 0x83, 2048, 2048);
    const { findings, partitions } = await identifyDevice(deviceOf(bytes));
    expect(findings.map((finding) => finding.type)).toEqual(["md-member", "partition-table"]);
    expect(findings[1]?.text).toContain("not a partition table of its own");
    expect(partitions).toEqual([]);
  });

  it("takes a file system beside metadata at the start for a left-over", async () => {
    const bytes = member("raid1-2-bitmap", 0);
    putExt(bytes);
    expect((await texts(bytes))[1]).toBe(
      "ext2: ext2 file system; left over from an earlier use: the device is used as md-member",
    );
  });

  it("gives a 0.90 superblock at the end of the last partition to the partition", async () => {
    const part = member("raid1-3-m090", 1);
    const disk = new Uint8Array(2048 * 512 + part.length);
    disk.set(part, 2048 * 512);
    putTable(disk, 0xfd, 2048, part.length / 512);
    // The premise: seen from the disk, the superblock is where one of the whole disk would be.
    const inPart = superblock090Sector(part.length / 512)!;
    expect(superblock090Sector(disk.length / 512)).toBe(2048 + inPart);

    const identity = await identifyDevice(deviceOf(disk));
    expect(identity.findings.map((finding) => finding.type)).toEqual(["partition-table"]);
    expect(identity.superblock).toBeNull();
    expect(identity.partitions[0]?.identity.superblock?.superSector).toBe(inPart);
    const report = deviceReport("disk.img", disk.length, identity);
    expect(report.partitions[0]?.path).toBe("disk.img:p2");
    expect(report.partitions[0]?.partition?.typeName).toBe("Linux RAID autodetect");
    expect(report.partitions[0]?.findings[0]?.type).toBe("md-member");
  });

  it("gives it to the disk when the partition has no room for the array", async () => {
    const disk = member("raid1-3-m090", 1);
    const sectors = disk.length / 512;
    const start = sectors - 1024;
    putTable(disk, 0xfd, start, 1024);
    expect(start + superblock090Sector(1024)!).toBe(superblock090Sector(sectors));
    const identity = await identifyDevice(deviceOf(disk));
    expect(identity.superblock).not.toBeNull();
    expect(identity.partitions).toEqual([]);
  });

  it("follows partitions two levels deep", async () => {
    const inner = new Uint8Array(4096 * 512);
    putTable(inner, 0x83, 1024, 3072);
    putExt(inner.subarray(1024 * 512));
    const outer = new Uint8Array(5120 * 512);
    outer.set(inner, 1024 * 512);
    putTable(outer, 0x83, 1024, 4096);
    const identity = await identifyDevice(deviceOf(outer));
    const deep = identity.partitions[0]?.identity.partitions[0]?.identity;
    expect(deep?.findings.map((finding) => finding.type)).toEqual(["ext2"]);
  });

  it("loses only what cannot be read", async () => {
    const device = deviceOf(member("raid1-2-bitmap", 0));
    const bad = device.sectors - 1;
    device.fault = (bio) =>
      bio.sector <= bad && bad < bio.sector + bio.sectors
        ? new HoldfastError("io", `Sector ${bad} of disk is bad.`)
        : null;
    const identity = await identifyDevice(device);
    expect(identity.findings.map((finding) => finding.type)).toEqual(["md-member"]);
    expect(identity.problem).toBe(`Sector ${bad} of disk is bad.`);
  });

  it("of a device that cannot be read at all says why, and nothing else", async () => {
    const device = new ArrayDevice(4096, { readOnly: true });
    device.fault = () => new HoldfastError("io", "The cable is out.");
    expect(await identifyDevice(device)).toEqual({
      findings: [],
      partitions: [],
      problem: "The cable is out.",
      superblock: null,
      lvm: null,
    });
  });

  it("takes devices of any size, down to nothing", async () => {
    for (const sectors of [0, 1, 2, 3, 7, 8, 127, 128, 129, 300]) {
      const { findings, problem } = await identifyDevice(new ArrayDevice(sectors));
      expect([sectors, findings, problem]).toEqual([sectors, [], null]);
    }
  });
});

describe("signatures no tool here can make", () => {
  const SIZE = 1024 * 1024;

  it("DDF: an anchor with its checksum", async () => {
    const bytes = new Uint8Array(SIZE);
    const anchor = ddfHeader.encode({
      magic: 0xde11de11,
      crc: 0xffffffff,
      guid: new TextEncoder().encode("Linux-MDabcdefghijklmnop"),
      revision: "01.02.00",
      sequence: 1,
      primaryBlock: 100,
      secondaryBlock: Infinity,
      workspaceBlock: 90,
    });
    ddfHeader.encodeInto(anchor, 0, { crc: crc32(anchor) });
    bytes.set(anchor, SIZE - 512);
    putExt(bytes);
    const [first, second] = await texts(bytes);
    expect(first).toBe(
      "ddf_raid_member: member of a firmware RAID with DDF metadata 01.02.00: known, not served",
    );
    expect(second).toContain("content of the ddf_raid_member");
    bytes[SIZE - 1]! ^= 1;
    expect(await texts(bytes)).toEqual(["ext2: ext2 file system"]);
  });

  it.each([216, 512, 700, 2000])(
    "IMSM of %d bytes: anchor and what lies before it",
    async (size) => {
      const bytes = new Uint8Array(SIZE);
      const sectors = Math.ceil(size / 512);
      const mpb = new Uint8Array(sectors * 512).fill(1, 60, size);
      imsmHeader.encodeInto(mpb, 0, {
        signature: "Intel Raid ISM Cfg Sig. 1.2.02",
        checksum: 0,
        sizeBytes: size,
        family: 0xabc,
        disks: 4,
        volumes: 1,
      });
      let sum = 0;
      for (let at = 0; at < size; at += 4) sum += Buffer.from(mpb).readUInt32LE(at);
      imsmHeader.encodeInto(mpb, 0, { checksum: sum >>> 0 });
      bytes.set(mpb.subarray(0, 512), SIZE - 1024);
      bytes.set(mpb.subarray(512), SIZE - 1024 - (sectors - 1) * 512);
      expect((await texts(bytes))[0]).toBe(
        "isw_raid_member: member of an Intel firmware RAID (IMSM 1.2.02, 4 disks, 1 volumes): known, not served",
      );
      bytes[SIZE - 1024 + 100]! ^= 1;
      expect(await texts(bytes)).toEqual([]);
    },
  );

  it("DRBD: its content is not the device's own", async () => {
    const bytes = new Uint8Array(SIZE);
    const values = { agreedSectors: 2000, magic: 0x8374026d, metadataSectors: 16 };
    drbdSuperblock.encodeInto(bytes, SIZE - 4096, { ...values, bytesPerBit: 4096 });
    putExt(bytes);
    const [first, second] = await texts(bytes);
    expect(first).toBe("drbd: DRBD device, metadata version 9");
    expect(second).toContain("content of the drbd");
  });

  it("BitLocker: its boot sector is no NTFS", async () => {
    const sector = new Uint8Array(65_536);
    sector.set(new TextEncoder().encode("-FVE-FS-"), 3);
    sector.set(Buffer.from("3bd66749292ed84a8399f6a339e3d001", "hex"), 160);
    expect(bitlockerProbe.recognise([sector], 65_536)?.type).toBe("BitLocker");
    expect(await texts(sector)).toEqual(["BitLocker: BitLocker encrypted volume"]);
  });
});

describe("the registry", () => {
  it("wants ranges inside the device only, whatever its size", () => {
    fc.assert(
      fc.property(fc.nat(4 * 1024 * 1024), (size) => {
        for (const probe of SIGNATURE_PROBES)
          for (const { offsetBytes, lengthBytes } of probe.ranges(size)) {
            expect(offsetBytes).toBeGreaterThanOrEqual(0);
            expect(offsetBytes + lengthBytes).toBeLessThanOrEqual(size);
          }
      }),
    );
  });

  it("sees nothing in zeros, ones or noise, and never fails", () => {
    const size = 4 * 1024 * 1024;
    fc.assert(
      fc.property(fc.oneof(fc.constant(0), fc.constant(255), fc.nat()), (seed) => {
        for (const probe of SIGNATURE_PROBES) {
          const data = probe.ranges(size).map(({ lengthBytes }) => {
            const bytes = new Uint8Array(lengthBytes);
            if (seed === 0 || seed === 255) return bytes.fill(seed);
            for (let i = 0; i < lengthBytes; i += 1)
              bytes[i] = Math.imul(seed + i, 2654435761) >>> 24;
            return bytes;
          });
          expect([probe.name, probe.recognise(data, size)]).toEqual([probe.name, null]);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("has each type once", () => {
    const types = SIGNATURE_PROBES.flatMap((probe) => probe.types);
    expect(new Set(types).size).toBe(types.length);
  });
});
