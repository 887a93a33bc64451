/** ArrayViews of what was recorded with the golden images: from sysfs, with names, numbers and times from the other texts. */
import type {
  ArrayState,
  ArrayView,
  BitmapView,
  MemberView,
  SyncView,
} from "../../src/md/view/array-view.ts";
import type { GoldenRead } from "./golden.ts";

type Files = Readonly<Record<string, string>>;

/** "Label : value" of --detail; null when there is no such line. */
function told(detail: string, label: string): string | null {
  return new RegExp(`^ *${label} : (.*)$`, "m").exec(detail)?.[1] ?? null;
}

function seconds(text: string | null): number {
  return Date.parse(`${text} UTC`) / 1000;
}

/** "a" or "a (b)": the new value, and the old one. */
function pair(text: string): [number, number] {
  const [now, old] = text.split(" (").map((each) => Number.parseInt(each, 10));
  return [now!, old ?? now!];
}

const LEVELS: Readonly<Record<string, number>> = {
  linear: -1,
  raid0: 0,
  raid1: 1,
  raid4: 4,
  raid5: 5,
  raid6: 6,
  raid10: 10,
};

function numberOrNull(text: string): number | null {
  return text === "none" ? null : Number(text);
}

function memberOf(files: Files, device: string, number: number): MemberView {
  const file = (name: string): string => files[`dev-${device}/${name}`] ?? "";
  const words = new Set(file("state").split(","));
  const slot = file("slot");
  const badBlocks = file("bad_blocks")
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [sector, sectors] = line.split(" ").map(Number);
      return { sector: sector!, sectors: sectors! };
    });
  return {
    device,
    path: `/dev/${device}`,
    major: 98,
    minor: 16 * (device.codePointAt(3)! - 97),
    number,
    slot: slot === "none" || slot === "journal" ? null : Number(slot),
    inSync: words.has("in_sync"),
    faulty: words.has("faulty"),
    journal: words.has("journal"),
    replacement: words.has("replacement"),
    wantReplacement: words.has("want_replacement"),
    writeMostly: words.has("write_mostly"),
    failFast: words.has("failfast"),
    blocked: words.has("blocked"),
    writeErrorSeen: words.has("write_error"),
    dataOffsetSectors: Number(file("offset")),
    newDataOffsetSectors: Number(file("new_offset")),
    sizeKib: Number(file("size")),
    recoveryStartSectors: numberOrNull(file("recovery_start")),
    correctedErrors: Number(file("errors")),
    badBlocks,
    unacknowledgedBadBlocks: [],
    pplSector: Number(file("ppl_sector")),
    pplSectors: Number(file("ppl_size")),
  };
}

function bitmapOf(files: Files, mdstat: string): BitmapView | null {
  const location = files["bitmap/location"];
  if (location === undefined || location === "none") return null;
  const [, used, all, path] =
    /bitmap: (\d+)\/(\d+) pages[^,]*, \w+ chunk(?:, file: (.*))?/.exec(mdstat) ?? [];
  return {
    kind: location === "file" ? "file" : "internal",
    path: path ?? null,
    offsetSectors: location === "file" ? null : Number(location),
    spaceSectors: Number(files["bitmap/space"]),
    chunkBytes: Number(files["bitmap/chunksize"]),
    daemonSleepSeconds: Number(files["bitmap/time_base"]),
    writeBehind: Number(files["bitmap/backlog"]),
    maxBacklogUsed: 0,
    canClear: null,
    pages: Number(all ?? 0),
    usedPages: Number(used ?? 0),
  };
}

function syncOf(mdstat: string): SyncView | null {
  const none = { doneSectors: 0, totalSectors: 0, sinceMarkSeconds: 0, sinceMarkSectors: 0 };
  if (mdstat.includes("resync=PENDING")) return { kind: "resync", phase: "pending", ...none };
  const progress = /(check|resync|recovery|reshape) = .*\((\d+)\/(\d+)\).*speed=(\d+)K/.exec(
    mdstat,
  );
  if (progress === null) return null;
  const [, kind, done, total, speed] = progress;
  return {
    kind: kind as SyncView["kind"],
    phase: "running",
    doneSectors: 2 * Number(done),
    totalSectors: 2 * Number(total),
    sinceMarkSeconds: 1,
    sinceMarkSectors: 2 * Number(speed),
  };
}

/** Null when the texts needed were not recorded. */
export function recordedView({ detail, mdstat, sysfs, bytes }: GoldenRead): ArrayView | null {
  if (detail === undefined || mdstat === undefined || sysfs === undefined) return null;
  const level = LEVELS[sysfs["level"]!]!;
  const [newLayout, layout] = pair(sysfs["layout"]!);
  const [raidDisks, oldDisks] = pair(sysfs["raid_disks"]!);
  const [newChunkBytes, chunkBytes] = pair(sysfs["chunk_size"]!);
  const position = numberOrNull(sysfs["reshape_position"] ?? "none");
  const members = [...mdstat.matchAll(/(ubd.)\[(\d+)\]/g)].map(([, device, number]) =>
    memberOf(sysfs, device!, Number(number)),
  );
  const metadata = sysfs["metadata_version"]!;
  const minor = told(detail, "Preferred Minor");
  const events = (told(detail, "Events") ?? "0").split(".").map(Number);
  const journal = /\[(.*)\]/.exec(sysfs["journal_mode"] ?? "")?.[1];
  return {
    kernelName: "md0",
    path: "/dev/md0",
    major: 9,
    minor: 0,
    metadata,
    level,
    layout,
    chunkBytes,
    raidDisks,
    state: sysfs["array_state"] as ArrayState,
    arrayKib: Math.floor(bytes / 1024),
    arraySizeLimitKib: null,
    componentKib: Number(sysfs["component_size"]),
    uuid: told(detail, "UUID")?.split(" ")[0] ?? null,
    name: told(detail, "Name")?.split(" ")[0] ?? null,
    preferredMinor: minor === null ? null : Number(minor),
    events: events.length === 2 ? events[0]! * 2 ** 32 + events[1]! : events[0]!,
    createdSeconds: seconds(told(detail, "Creation Time")),
    updatedSeconds: seconds(told(detail, "Update Time")),
    resyncStartSectors: numberOrNull(sysfs["resync_start"] ?? "none"),
    degraded: Number(sysfs["degraded"] ?? 0),
    consistencyPolicy: sysfs["consistency_policy"] as ArrayView["consistencyPolicy"],
    journalMode: (journal ?? null) as ArrayView["journalMode"],
    sync: syncOf(mdstat),
    syncFrozen: sysfs["sync_action"] === "frozen",
    lastSyncAction: "none",
    mismatchSectors: Number(sysfs["mismatch_cnt"] ?? 0),
    syncMinSectors: 0,
    syncMaxSectors: null,
    syncSpeedKib: 0,
    syncSpeedMinKib: { kib: 1000, isSystem: true },
    syncSpeedMaxKib: { kib: 200_000, isSystem: true },
    safeModeDelayMs: 201,
    suspendLowSectors: 0,
    suspendHighSectors: 0,
    maxReadErrors: 20,
    failLastDevice: false,
    repairRule: "evidence",
    bitmap: bitmapOf(sysfs, mdstat),
    reshape:
      position === null
        ? null
        : {
            positionSectors: position,
            backwards: sysfs["reshape_direction"] === "backwards",
            deltaDisks: raidDisks - oldDisks,
            newLevel: level,
            newLayout,
            newChunkBytes,
          },
    members,
  };
}
