/** Requests for new arrays, for tests. */
import type { CreateRequest, NewDevice } from "../../src/md/create/request.ts";

export function newDevice(sectors: number, more: Partial<NewDevice> = {}): NewDevice {
  return {
    label: "disk",
    sectors,
    deviceUuid: new Uint8Array(16).fill(7),
    isJournal: false,
    writeMostly: false,
    failFast: false,
    dataOffsetSectors: null,
    node: null,
    oldSuperblockSectors: [],
    ...more,
  };
}

/** `raidDisks` and `spareDisks` follow from the devices unless given. */
export function createRequest(
  devices: readonly (NewDevice | null)[],
  more: Partial<CreateRequest> = {},
): CreateRequest {
  const members = devices.filter((device) => device?.isJournal !== true).length;
  return {
    version: "1.2",
    level: "raid1",
    layout: null,
    chunkSectors: null,
    raidDisks: members - (more.spareDisks ?? 0),
    spareDisks: 0,
    devices,
    componentSectors: null,
    dataOffsetSectors: null,
    bitmap: null,
    consistencyPolicy: null,
    assumeClean: false,
    force: false,
    badBlockLog: true,
    name: "0",
    homehost: "host",
    arrayUuid: Uint8Array.from({ length: 16 }, (_unused, at) => 16 * at + 1),
    createdSeconds: 1_700_000_000,
    preferredMinor: 0,
    journalSequence: 0x1234_5678n,
    ...more,
  };
}
