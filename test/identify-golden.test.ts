/** What the kernel and its tools wrote is recognised: every disk of every golden case, and nothing where there is nothing. */
import { describe, expect, it } from "vitest";
import { readVolumeGroup } from "../src/formats/lvm2/volume-group.ts";
import { identifyDevice } from "../src/volume/identify.ts";
import type { DeviceIdentity } from "../src/volume/identify.ts";
import { ArrayDevice } from "./support/array-device.ts";
import { goldenCase, goldenCases, unpackArtefact, unpackImage } from "./support/golden.ts";
import type { GoldenCase, GoldenMember } from "./support/golden.ts";

function identify(golden: GoldenCase, index: number): Promise<DeviceIdentity> {
  const image = unpackImage(golden, index);
  const device = new ArrayDevice(image.length / 512, { readOnly: true }, `d${index}`);
  device.bytes.set(image);
  return identifyDevice(device);
}

/** What each use of a disk in a dm case leaves on it. */
const DM_USES: readonly (readonly [RegExp, string])[] = [
  [/^clone metadata$/, "dm-clone"],
  [/^pool metadata$/, "dm-thin"],
  [/^integrity device$/, "DM_integrity"],
  [/^disk log$/, "dm-mirror-log"],
  [/^exception store$/, "DM_snapshot_cow"],
  [/^metadata \d+$/, "dm-raid"],
];

function expectedTypes(golden: GoldenCase, member: GoldenMember): string[] {
  if (golden.kind === "lvm") return ["lvm2-pv"];
  const use = member.use ?? "member";
  if (golden.kind === "dm") {
    const match = DM_USES.find(([pattern]) => pattern.test(use));
    return match === undefined ? [] : [match[1]];
  }
  if (use.startsWith("ext4")) return ["ext4"];
  return member.examine?.includes("No md superblock") === true ? [] : ["md-member"];
}

async function texts(name: string, index: number): Promise<string[]> {
  const { findings } = await identify(goldenCase(name), index);
  return findings.map((finding) => finding.text);
}

describe("golden disks", () => {
  for (const kind of ["md", "dm", "lvm"] as const) {
    it(`of ${kind} cases are what they are, and nothing else`, async () => {
      for (const golden of goldenCases({ kind })) {
        for (const [index, member] of golden.members.entries()) {
          const { findings, problem, partitions } = await identify(golden, index);
          const where = `${golden.name} disk ${index}`;
          expect([where, ...findings.map((finding) => finding.type)]).toEqual([
            where,
            ...expectedTypes(golden, member),
          ]);
          expect(problem).toBeNull();
          expect(partitions).toEqual([]);
        }
      }
    });
  }

  it("say in words what they are", async () => {
    expect(await texts("replace-raid5-3", 3)).toEqual([
      "replacement for member 0 of raid5 gold (3 disks), metadata 1.2, clean, not fully rebuilt",
    ]);
    expect(await texts("dm-clone-r8", 0)).toEqual([
      "metadata of a dm-clone, 8 MiB in regions of 4 KiB",
    ]);
    expect(await texts("dm-raid5ls-3", 2)).toEqual([
      "metadata of device 1 of a dm-raid raid5 of 3, 20 events",
    ]);
    expect(await texts("lvm-thin-snap", 0)).toEqual([
      "LVM2 physical volume of volume group gold (seqno 13): logical volumes base pool t1 t2 t1s bs",
    ]);
  });
});

describe("golden volume groups", () => {
  for (const golden of goldenCases({ kind: "lvm" })) {
    it(`${golden.name}: every disk carries the same one`, async () => {
      const groups = [];
      for (const index of golden.members.keys()) {
        const { lvm } = await identify(golden, index);
        expect(lvm?.problems).toEqual([]);
        expect(lvm?.label.deviceBytes).toBe(golden.members[index]?.bytes);
        expect(lvm?.label.extensionFlags).toBe(1);
        expect(lvm?.copies).toHaveLength(1);
        const group = lvm?.copies[0]?.volumeGroup;
        const own = group?.physicalVolumes.find((pv) => pv.uuid === lvm?.label.uuid);
        expect(own?.deviceSectors).toBe(golden.members[index]!.bytes / 512);
        groups.push({ ...group, description: null, creationSeconds: null });
      }
      for (const group of groups) expect(group).toEqual(groups[0]);
    });

    if (golden.artefacts?.["vg.txt"] === undefined) continue;
    it(`${golden.name}: vgcfgbackup's file says the same as the disks`, async () => {
      const backup = readVolumeGroup(new TextDecoder().decode(unpackArtefact(golden, "vg.txt")));
      const onDisk = (await identify(golden, 0)).lvm?.copies[0]?.volumeGroup;
      const hints = { description: null, creationSeconds: null, creationHost: null };
      expect({ ...backup, ...hints }).toEqual({ ...onDisk, ...hints });
    });
  }

  it("lvm-raid: volumes with sizes and segments as they were made", async () => {
    const group = (await identify(goldenCase("lvm-raid"), 0)).lvm?.copies[0]?.volumeGroup;
    expect(group?.name).toBe("gold");
    expect(group?.extentSectors).toBe(1024);
    expect(group?.status).toEqual(["RESIZEABLE", "READ", "WRITE"]);
    const visible = group?.logicalVolumes.filter((lv) => lv.visible) ?? [];
    expect(visible.map((lv) => [lv.name, lv.sizeSectors, lv.segments[0]?.type])).toEqual([
      ["r1", 5120, "raid1"],
      ["r5", 6144, "raid5"],
      ["r6", 6144, "raid6"],
      ["r10", 6144, "raid10"],
      ["mir", 4096, "mirror"],
    ]);
    expect(visible[1]?.segments[0]?.areas.map((area) => area.name)).toEqual([
      "r5_rmeta_0",
      "r5_rimage_0",
      "r5_rmeta_1",
      "r5_rimage_1",
      "r5_rmeta_2",
      "r5_rimage_2",
    ]);
    expect(visible[1]?.segments[0]?.settings.values.get("stripe_size")).toBe(128);
  });
});
