/** SysfsAction as a request may have it. */
import * as z from "zod";
import { JOURNAL_MODES } from "../md/running/core.ts";
import { REPAIR_RULES } from "../md/running/settings.ts";
import {
  MEMBER_NUMBERS,
  MEMBER_WORDS,
  NUMBERS,
  SYNC_WORDS,
  WRITABLE_POLICIES,
  WRITABLE_STATES,
} from "../md/view/sysfs-write.ts";
import type { SysfsAction } from "../md/view/sysfs-write.ts";

const natural = z.int().nonnegative();

function action<K extends string, S extends z.ZodRawShape>(kind: K, shape: S) {
  return z.strictObject({ kind: z.literal(kind), ...shape });
}

const memberAction = z.discriminatedUnion("kind", [
  action("state", {
    word: z.enum(MEMBER_WORDS),
    on: z.boolean(),
  }),
  action("slot", { slot: natural.nullable() }),
  action("number", {
    attribute: z.enum(MEMBER_NUMBERS),
    value: natural,
  }),
  action("recovery-start", { sectors: natural.nullable() }),
  action("bad-block", { acknowledged: z.boolean(), sector: natural, sectors: natural }),
]);

const end = z.enum(["min", "max"]);

export const sysfsAction: z.ZodType<SysfsAction> = z.discriminatedUnion("kind", [
  action("array-state", {
    state: z.enum(WRITABLE_STATES),
  }),
  action("sync-action", {
    action: z.enum(SYNC_WORDS),
  }),
  action("sync-speed", { end, kib: natural.nullable() }),
  action("sync-window", { end, sectors: z.union([natural, z.literal("max")]) }),
  action("suspend", { end: z.enum(["lo", "hi"]), sectors: natural }),
  action("level", { level: z.string().max(64) }),
  action("number", {
    attribute: z.enum(NUMBERS),
    value: natural,
  }),
  action("array-size", { kib: z.union([natural, z.literal("default")]) }),
  action("metadata-version", { version: z.string().max(64) }),
  action("new-device", { major: natural, minor: natural }),
  action("safe-mode-delay", { ms: natural }),
  action("resync-start", { sectors: natural.nullable() }),
  action("fail-last-device", { on: z.boolean() }),
  action("repair-rule", { rule: z.enum(REPAIR_RULES) }),
  action("consistency-policy", { policy: z.enum(WRITABLE_POLICIES) }),
  action("journal-mode", { mode: z.enum(JOURNAL_MODES) }),
  action("bitmap-location", { offsetSectors: z.int().nullable() }),
  action("bitmap-time-base", { seconds: z.number().nonnegative() }),
  action("bitmap-can-clear", { on: z.boolean() }),
  action("bitmap-reset-backlog-used", {}),
  action("member", { folder: z.string().max(256), action: memberAction }),
]);
