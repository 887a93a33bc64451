/** SysfsAction as a request may have it. */
import * as z from "zod";
import type { SysfsAction } from "../md/view/sysfs-write.ts";

const natural = z.int().nonnegative();

function action<K extends string, S extends z.ZodRawShape>(kind: K, shape: S) {
  return z.strictObject({ kind: z.literal(kind), ...shape });
}

const memberAction = z.discriminatedUnion("kind", [
  action("state", {
    word: z.enum([
      "faulty",
      "remove",
      "re-add",
      "writemostly",
      "blocked",
      "insync",
      "write_error",
      "want_replacement",
      "replacement",
      "failfast",
      "external_bbl",
    ]),
    on: z.boolean(),
  }),
  action("slot", { slot: natural.nullable() }),
  action("number", {
    attribute: z.enum(["errors", "offset", "new_offset", "size", "ppl_sector", "ppl_size"]),
    value: natural,
  }),
  action("recovery-start", { sectors: natural.nullable() }),
  action("bad-block", { acknowledged: z.boolean(), sector: natural, sectors: natural }),
]);

const end = z.enum(["min", "max"]);

export const sysfsAction: z.ZodType<SysfsAction> = z.discriminatedUnion("kind", [
  action("array-state", {
    state: z.enum(["clear", "inactive", "readonly", "read-auto", "clean", "active"]),
  }),
  action("sync-action", {
    action: z.enum(["idle", "frozen", "resync", "recover", "reshape", "check", "repair"]),
  }),
  action("sync-speed", { end, kib: natural.nullable() }),
  action("sync-window", { end, sectors: z.union([natural, z.literal("max")]) }),
  action("suspend", { end: z.enum(["lo", "hi"]), sectors: natural }),
  action("level", { level: z.string().max(64) }),
  action("number", {
    attribute: z.enum([
      "raid_disks",
      "layout",
      "chunk_size",
      "component_size",
      "max_read_errors",
      "bitmap/space",
      "bitmap/chunksize",
      "bitmap/backlog",
    ]),
    value: natural,
  }),
  action("array-size", { kib: z.union([natural, z.literal("default")]) }),
  action("metadata-version", { version: z.string().max(64) }),
  action("new-device", { major: natural, minor: natural }),
  action("safe-mode-delay", { ms: natural }),
  action("resync-start", { sectors: natural.nullable() }),
  action("fail-last-device", { on: z.boolean() }),
  action("repair-rule", { rule: z.enum(["evidence", "kernel"]) }),
  action("consistency-policy", { policy: z.enum(["resync", "ppl"]) }),
  action("journal-mode", { mode: z.enum(["write-through", "write-back"]) }),
  action("bitmap-location", { offsetSectors: z.int().nullable() }),
  action("bitmap-time-base", { seconds: z.number().nonnegative() }),
  action("bitmap-can-clear", { on: z.boolean() }),
  action("bitmap-reset-backlog-used", {}),
  action("member", { folder: z.string().max(256), action: memberAction }),
]);
