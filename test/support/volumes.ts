/** Reports and opened volumes made by hand, for tests of what shows and uses them. */
import type { BlockDevice } from "../../src/block/device.ts";
import type { MemberReport, ScanReport, VolumeReport } from "../../src/volume/report.ts";
import type { OpenedVolume, OpenedVolumes } from "../../src/volume/volume.ts";
import { ArrayDevice } from "./array-device.ts";

export function memberOf(slot: number, changes: Partial<MemberReport> = {}): MemberReport {
  return {
    path: `d${slot}.img`,
    state: "in-sync",
    slot,
    replacement: false,
    events: 100,
    updated: "2026-11-21T02:36:44Z",
    recoveryOffsetSectors: null,
    note: null,
    ...changes,
  };
}

/** A clean raid5 of three disks. */
export function volumeReport(changes: Partial<VolumeReport> = {}): VolumeReport {
  return {
    name: "data",
    kind: "md",
    uuid: "00000001:00000002:00000003:00000004",
    level: "raid5",
    layout: "left-symmetric",
    chunkBytes: 65536,
    raidDisks: 3,
    sizeBytes: 64 * 512,
    metadata: "1.2",
    state: "clean",
    members: [memberOf(0), memberOf(1), memberOf(2)],
    verdict: { kind: "can-start", degradedBy: 0 },
    notes: [],
    content: null,
    ...changes,
  };
}

export function scanReport(changes: Partial<ScanReport> = {}): ScanReport {
  return {
    devices: [0, 1, 2].map((slot) => ({
      path: `d${slot}.img`,
      sizeBytes: 8 * 1024 * 1024,
      findings: [
        {
          type: "md-member",
          offsetBytes: 4096,
          sizeBytes: null,
          label: "host:data",
          uuid: "00000001:00000002:00000003:00000004",
          text: `member ${slot} of raid5 data (3 disks), metadata 1.2, clean`,
        },
      ],
      partitions: [],
      problem: null,
    })),
    volumes: [volumeReport()],
    ...changes,
  };
}

export function openedVolume(
  device: BlockDevice = new ArrayDevice(64, { readOnly: true }),
  changes: Partial<VolumeReport> = {},
): OpenedVolume {
  const report = volumeReport({ sizeBytes: device.sectors * 512, ...changes });
  return { name: report.name, device, report };
}

export interface FakeOpened extends OpenedVolumes {
  isClosed: boolean;
}

export function openedVolumes(
  volumes: readonly OpenedVolume[] = [openedVolume()],
  refused: readonly VolumeReport[] = [],
): FakeOpened {
  const opened: FakeOpened = {
    volumes,
    refused,
    isClosed: false,
    close() {
      opened.isClosed = true;
      return Promise.resolve();
    },
  };
  return opened;
}
