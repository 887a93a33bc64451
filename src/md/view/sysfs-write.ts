/**
 * What is written to files of md/ in sysfs: text to typed actions. Only the form is judged here (EINVAL); whether the array
 * can do it now (EBUSY, ENXIO, ...) is for those who do it. Facts: md.c and md-bitmap.c of kernel 6.1.
 */
import { JOURNAL_MODES } from "../running/core.ts";
import type { JournalMode } from "../running/core.ts";
import { REPAIR_RULES } from "../running/settings.ts";
import type { RepairRule } from "../running/settings.ts";
import type { SyncWord } from "../running/sync-control.ts";
import type { ArrayState } from "./array-view.ts";

export type SysfsAction =
  | { readonly kind: "array-state"; readonly state: WritableState }
  | { readonly kind: "sync-action"; readonly action: SyncWord }
  /** Null: back to the machine's value. */
  | { readonly kind: "sync-speed"; readonly end: "min" | "max"; readonly kib: number | null }
  | { readonly kind: "sync-window"; readonly end: "min" | "max"; readonly sectors: number | "max" }
  | { readonly kind: "suspend"; readonly end: "lo" | "hi"; readonly sectors: number }
  | { readonly kind: "level"; readonly level: string }
  | { readonly kind: "number"; readonly attribute: NumberAttribute; readonly value: number }
  | { readonly kind: "array-size"; readonly kib: number | "default" }
  | { readonly kind: "metadata-version"; readonly version: string }
  | { readonly kind: "new-device"; readonly major: number; readonly minor: number }
  | { readonly kind: "safe-mode-delay"; readonly ms: number }
  | { readonly kind: "resync-start"; readonly sectors: number | null }
  | { readonly kind: "fail-last-device"; readonly on: boolean }
  | { readonly kind: "repair-rule"; readonly rule: RepairRule }
  | { readonly kind: "consistency-policy"; readonly policy: WritablePolicy }
  | { readonly kind: "journal-mode"; readonly mode: JournalMode }
  /** Null: no bitmap. */
  | { readonly kind: "bitmap-location"; readonly offsetSectors: number | null }
  | { readonly kind: "bitmap-time-base"; readonly seconds: number }
  | { readonly kind: "bitmap-can-clear"; readonly on: boolean }
  | { readonly kind: "bitmap-reset-backlog-used" }
  | { readonly kind: "member"; readonly folder: string; readonly action: MemberAction };

export type MemberAction =
  | { readonly kind: "state"; readonly word: MemberWord; readonly on: boolean }
  /** Null: out of its slot. */
  | { readonly kind: "slot"; readonly slot: number | null }
  | { readonly kind: "number"; readonly attribute: MemberNumber; readonly value: number }
  | { readonly kind: "recovery-start"; readonly sectors: number | null }
  | {
      readonly kind: "bad-block";
      readonly acknowledged: boolean;
      readonly sector: number;
      readonly sectors: number;
    };

/** Words of array_state that may be written. */
export const WRITABLE_STATES = [
  "clear",
  "inactive",
  "readonly",
  "read-auto",
  "clean",
  "active",
] as const satisfies readonly ArrayState[];
type WritableState = (typeof WRITABLE_STATES)[number];

/** Words of sync_action. */
export const SYNC_WORDS = [
  "idle",
  "frozen",
  "resync",
  "recover",
  "reshape",
  "check",
  "repair",
] as const satisfies readonly SyncWord[];

/** Words of consistency_policy that may be written. */
export const WRITABLE_POLICIES = ["resync", "ppl"] as const;
type WritablePolicy = (typeof WRITABLE_POLICIES)[number];

/** Files of an array that hold a number and nothing else. */
export const NUMBERS = [
  "raid_disks",
  "layout",
  "chunk_size",
  "component_size",
  "max_read_errors",
  "bitmap/space",
  "bitmap/chunksize",
  "bitmap/backlog",
] as const;
type NumberAttribute = (typeof NUMBERS)[number];

/** The same of a member. */
export const MEMBER_NUMBERS = [
  "errors",
  "offset",
  "new_offset",
  "size",
  "ppl_sector",
  "ppl_size",
] as const;
type MemberNumber = (typeof MEMBER_NUMBERS)[number];

/** Words of a member's state: of these only the word itself, no "-" in front. */
const ONE_WAY = ["faulty", "remove", "re-add"] as const;
const BOTH_WAYS = [
  "writemostly",
  "blocked",
  "insync",
  "write_error",
  "want_replacement",
  "replacement",
  "failfast",
  "external_bbl",
] as const;
export const MEMBER_WORDS = [...ONE_WAY, ...BOTH_WAYS] as const;
export type MemberWord = (typeof MEMBER_WORDS)[number];

type Parse<T> = (text: string) => T | null;

function oneOf<T extends string>(words: readonly T[], text: string): T | null {
  return words.find((word) => word === text) ?? null;
}

function whole(text: string): number | null {
  const value = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}

function when<V, T>(value: V | null, make: (value: V) => T): T | null {
  return value === null ? null : make(value);
}

/** Seconds with up to three decimals, in ms. */
function milliseconds(text: string): number | null {
  const [, seconds, decimals = ""] = /^(\d{1,6})(?:\.(\d*))?$/.exec(text) ?? [];
  if (seconds === undefined) return null;
  return Number(seconds) * 1000 + Number(decimals.slice(0, 3).padEnd(3, "0"));
}

const number =
  (attribute: NumberAttribute): Parse<SysfsAction> =>
  (text) =>
    when(whole(text), (value) => ({ kind: "number", attribute, value }));

const speed =
  (end: "min" | "max"): Parse<SysfsAction> =>
  (text) => {
    if (text === "system") return { kind: "sync-speed", end, kib: null };
    const kib = whole(text);
    return kib === null || kib === 0 ? null : { kind: "sync-speed", end, kib };
  };

const suspend =
  (end: "lo" | "hi"): Parse<SysfsAction> =>
  (text) =>
    when(whole(text), (sectors) => ({ kind: "suspend", end, sectors }));

function newDevice(text: string): SysfsAction | null {
  const [, major, minor] = /^(\d+):(\d+)$/.exec(text) ?? [];
  return major === undefined
    ? null
    : { kind: "new-device", major: Number(major), minor: Number(minor) };
}

function flagOf(text: string): boolean | null {
  if (/^(?:1|y|Y|on|true)$/.test(text)) return true;
  return /^(?:0|n|N|off|false)$/.test(text) ? false : null;
}

function bitmapLocation(text: string): SysfsAction | null {
  if (text === "none") return { kind: "bitmap-location", offsetSectors: null };
  const offsetSectors = /^[-+]?\d+$/.test(text) ? Number(text) : 0;
  return offsetSectors === 0 ? null : { kind: "bitmap-location", offsetSectors };
}

const ARRAY: Readonly<Record<string, Parse<SysfsAction>>> = {
  ...Object.fromEntries(NUMBERS.map((attribute) => [attribute, number(attribute)])),
  array_state: (text) =>
    when(oneOf(WRITABLE_STATES, text), (state) => ({ kind: "array-state", state })),
  sync_action: (text) =>
    when(oneOf(SYNC_WORDS, text), (action) => ({ kind: "sync-action", action })),
  sync_speed_min: speed("min"),
  sync_speed_max: speed("max"),
  sync_min: (text) =>
    // The kernel goes in steps of 4 KiB.
    when(whole(text), (sectors) => ({
      kind: "sync-window",
      end: "min",
      sectors: sectors - (sectors % 8),
    })),
  sync_max: (text) =>
    when<number | "max", SysfsAction>(text === "max" ? text : whole(text), (sectors) => ({
      kind: "sync-window",
      end: "max",
      sectors,
    })),
  suspend_lo: suspend("lo"),
  suspend_hi: suspend("hi"),
  level: (text) => (text === "" ? null : { kind: "level", level: text }),
  array_size: (text) =>
    when<number | "default", SysfsAction>(text === "default" ? text : whole(text), (kib) => ({
      kind: "array-size",
      kib,
    })),
  metadata_version: (text) =>
    /^(?:none|external:.+|\d+\.\d+)$/.test(text)
      ? { kind: "metadata-version", version: text }
      : null,
  new_dev: newDevice,
  safe_mode_delay: (text) => when(milliseconds(text), (ms) => ({ kind: "safe-mode-delay", ms })),
  resync_start: (text) =>
    text === "none"
      ? { kind: "resync-start", sectors: null }
      : when(whole(text), (sectors) => ({ kind: "resync-start", sectors })),
  fail_last_dev: (text) => when(flagOf(text), (on) => ({ kind: "fail-last-device", on })),
  repair_rule: (text) => when(oneOf(REPAIR_RULES, text), (rule) => ({ kind: "repair-rule", rule })),
  consistency_policy: (text) =>
    when(oneOf(WRITABLE_POLICIES, text), (policy) => ({
      kind: "consistency-policy",
      policy,
    })),
  journal_mode: (text) =>
    when(oneOf(JOURNAL_MODES, text), (mode) => ({
      kind: "journal-mode",
      mode,
    })),
  "bitmap/location": bitmapLocation,
  "bitmap/time_base": (text) =>
    when(milliseconds(text), (ms) => ({ kind: "bitmap-time-base", seconds: ms / 1000 })),
  "bitmap/can_clear": (text) =>
    when(oneOf(["true", "false"], text), (word) => ({
      kind: "bitmap-can-clear",
      on: word === "true",
    })),
  "bitmap/max_backlog_used": () => ({ kind: "bitmap-reset-backlog-used" }),
};

function memberState(text: string): MemberAction | null {
  const on = !text.startsWith("-");
  const word = oneOf(BOTH_WAYS, on ? text : text.slice(1)) ?? (on ? oneOf(ONE_WAY, text) : null);
  return when(word, (known) => ({ kind: "state", word: known, on }));
}

const badBlock =
  (acknowledged: boolean): Parse<MemberAction> =>
  (text) => {
    const [, first = "", count = ""] = /^(\d+) (\d+)$/.exec(text) ?? [];
    const sector = whole(first);
    const sectors = whole(count);
    if (sector === null || sectors === null || sectors === 0) return null;
    return { kind: "bad-block", acknowledged, sector, sectors };
  };

const memberNumber =
  (attribute: MemberNumber): Parse<MemberAction> =>
  (text) =>
    when(whole(text), (value) => ({ kind: "number", attribute, value }));

const MEMBER: Readonly<Record<string, Parse<MemberAction>>> = {
  ...Object.fromEntries(MEMBER_NUMBERS.map((attribute) => [attribute, memberNumber(attribute)])),
  state: memberState,
  slot: (text) =>
    text === "none"
      ? { kind: "slot", slot: null }
      : when(whole(text), (slot) => ({ kind: "slot", slot })),
  recovery_start: (text) =>
    text === "none"
      ? { kind: "recovery-start", sectors: null }
      : when(whole(text), (sectors) => ({ kind: "recovery-start", sectors })),
  bad_blocks: badBlock(true),
  unacknowledged_bad_blocks: badBlock(false),
};

export type SysfsWrite =
  | { readonly kind: "action"; readonly action: SysfsAction }
  /** EINVAL, or EACCES where the file cannot be written to (or is none). */
  | { readonly kind: "refused"; readonly error: "EINVAL" | "EACCES" };

function written(action: SysfsAction | null): SysfsWrite {
  return action === null ? { kind: "refused", error: "EINVAL" } : { kind: "action", action };
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** @param name as readSysfs() takes it; `text` may end in a newline */
export function parseSysfsWrite(name: string, text: string): SysfsWrite {
  const value = text.endsWith("\n") ? text.slice(0, -1) : text;
  const parse = own(ARRAY, name);
  if (parse !== undefined) return written(parse(value));
  const [, folder, file = ""] = /^(dev-[^/]+|rd\d+)\/(.+)$/.exec(name) ?? [];
  const parseMember = folder === undefined ? undefined : own(MEMBER, file);
  if (folder === undefined || parseMember === undefined)
    return { kind: "refused", error: "EACCES" };
  return written(when(parseMember(value), (action) => ({ kind: "member", folder, action })));
}
