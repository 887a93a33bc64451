import { describe, expect, it } from "vitest";
import { parseSysfsWrite } from "./sysfs-write.ts";

describe("writing to sysfs", () => {
  it.each([
    ["array_state", "readonly\n", { kind: "array-state", state: "readonly" }],
    ["sync_action", "check", { kind: "sync-action", action: "check" }],
    ["sync_speed_max", "system", { kind: "sync-speed", end: "max", kib: null }],
    ["sync_speed_min", "500\n", { kind: "sync-speed", end: "min", kib: 500 }],
    ["sync_min", "1001", { kind: "sync-window", end: "min", sectors: 1000 }],
    ["sync_max", "max", { kind: "sync-window", end: "max", sectors: "max" }],
    ["suspend_hi", "64", { kind: "suspend", end: "hi", sectors: 64 }],
    ["new_dev", "8:16", { kind: "new-device", major: 8, minor: 16 }],
    ["safe_mode_delay", "0.25", { kind: "safe-mode-delay", ms: 250 }],
    ["resync_start", "none", { kind: "resync-start", sectors: null }],
    ["journal_mode", "write-back", { kind: "journal-mode", mode: "write-back" }],
    ["raid_disks", "4", { kind: "number", attribute: "raid_disks", value: 4 }],
    ["bitmap/location", "none", { kind: "bitmap-location", offsetSectors: null }],
    ["bitmap/location", "+8", { kind: "bitmap-location", offsetSectors: 8 }],
    ["bitmap/location", "-16", { kind: "bitmap-location", offsetSectors: -16 }],
    ["bitmap/time_base", "5.25", { kind: "bitmap-time-base", seconds: 5.25 }],
  ])("%s %j", (name, text, action) => {
    expect(parseSysfsWrite(name, text)).toEqual({ kind: "action", action });
  });

  it.each([
    ["dev-sda/state", "want_replacement", { kind: "state", word: "want_replacement", on: true }],
    ["dev-sda/state", "-writemostly", { kind: "state", word: "writemostly", on: false }],
    ["rd0/state", "write_error\n", { kind: "state", word: "write_error", on: true }],
    ["dev-sda/slot", "none", { kind: "slot", slot: null }],
    [
      "dev-sda/bad_blocks",
      "100 100\n",
      { kind: "bad-block", acknowledged: true, sector: 100, sectors: 100 },
    ],
  ])("%s %j", (name, text, action) => {
    const [folder] = name.split("/");
    expect(parseSysfsWrite(name, text)).toEqual({
      kind: "action",
      action: { kind: "member", folder, action },
    });
  });

  it.each([
    ["array_state", "write-pending"],
    ["array_state", "Clean"],
    ["sync_action", "go"],
    ["sync_speed_max", "0"],
    ["new_dev", "8"],
    ["bitmap/location", "0"],
    ["dev-sda/state", "-faulty"],
    ["dev-sda/bad_blocks", "100"],
    ["raid_disks", "4x"],
  ])("refuses %s %j", (name, text) => {
    expect(parseSysfsWrite(name, text)).toEqual({ kind: "refused", error: "EINVAL" });
  });

  it.each(["degraded", "toString", "dev-sda/block", "uuid"])("cannot write %s", (name) => {
    expect(parseSysfsWrite(name, "1")).toEqual({ kind: "refused", error: "EACCES" });
  });
});
