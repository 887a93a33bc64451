/** What each request may say: the shape of the argument of every method of ArrayHost and MappedHost. Whether it makes sense is for the host to judge. */
import * as z from "zod";
import type { HostArgument, HostMethod } from "../host/host-call.ts";
import { sysfsAction } from "./sysfs-schema.ts";

/** Below what a request may have in bytes. */
const MAX_TABLE_CHARACTERS = 512 * 1024;

const sectors = z.int().nonnegative();
/** No name, path or word of a system has a zero byte. */
const text = z
  .string()
  .max(4096)
  .regex(/^[^\0]*$/, "it has a zero byte");
const path = text.min(1);
/** The daemon works in a folder of its own, so it could not tell where others begin. */
const devicePath = path.regex(
  /^(?:\/|[a-z+]+:\/\/|[A-Za-z]:[\\/])/,
  "an absolute path is expected, or an NBD URI",
);
const arrayName = z.string().min(1).max(256);
const level = z.enum(["linear", "raid0", "raid1", "raid4", "raid5", "raid6", "raid10"]);
/** More than any version of the metadata has places for. */
const paths = z.array(devicePath).max(4096);

const names = z.strictObject({ kernelName: arrayName.nullable(), path: path.nullable() });

const device = z.strictObject({
  path: devicePath,
  writeMostly: z.boolean(),
  failFast: z.boolean(),
  dataOffsetSectors: sectors.nullable(),
});

const devices = z.array(device.nullable()).max(4096);

const bitmap = z
  .strictObject({
    chunkSectors: sectors.nullable(),
    delaySeconds: z.number().nonnegative(),
    writeBehind: z.int().nonnegative(),
  })
  .nullable();

const mode = z.enum(["read-write", "read-auto", "read-only"]);

const update = z.union([
  z.strictObject({ kind: z.enum(["name", "homehost", "uuid"]), value: text.nullable() }),
  z.strictObject({
    kind: z.enum([
      "resync",
      "super-minor",
      "summaries",
      "no-bitmap",
      "bbl",
      "no-bbl",
      "force-no-bbl",
      "ppl",
      "no-ppl",
      "byteorder",
      "devicesize",
      "metadata",
      "writemostly",
      "readwrite",
      "layout-original",
      "layout-alternate",
      "layout-unspecified",
    ]),
  }),
]);

const member = z.strictObject({ array: arrayName, device: path });

const grow = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("bitmap"), array: arrayName, bitmap }),
  z.strictObject({
    kind: z.literal("size"),
    array: arrayName,
    componentSectors: z.union([sectors, z.literal("max")]),
    assumeClean: z.boolean().optional(),
  }),
  z.strictObject({ kind: z.literal("raid-disks"), array: arrayName, raidDisks: z.int().min(1) }),
  z.strictObject({ kind: z.literal("add-linear"), array: arrayName, device: devicePath }),
  z.strictObject({
    kind: z.literal("consistency-policy"),
    array: arrayName,
    policy: z.enum(["resync", "bitmap", "ppl"]),
  }),
]);

/** More than any table of a real stack has. */
const table = z.string().max(MAX_TABLE_CHARACTERS);
const mappedName = z.string().min(1).max(256);

/** Longer waits are for the client to repeat. */
const MAX_WAIT_MS = 10 * 60 * 1000;

type Schemas = { readonly [M in HostMethod]: z.ZodType<HostArgument<M>> };

export const SCHEMAS: Schemas = {
  arrays: z.undefined(),
  array: arrayName,
  run: arrayName,
  mismatches: arrayName,
  wait: arrayName,
  create: z.strictObject({
    names,
    devices,
    journal: devicePath.nullable(),
    version: z.enum(["0.90", "1.0", "1.1", "1.2"]),
    level,
    layout: z.int().nullable(),
    chunkSectors: sectors.nullable(),
    raidDisks: z.int().min(1),
    spareDisks: z.int().nonnegative(),
    componentSectors: sectors.nullable(),
    dataOffsetSectors: sectors.nullable(),
    bitmap,
    consistencyPolicy: z.enum(["resync", "bitmap", "journal", "ppl"]).nullable(),
    assumeClean: z.boolean(),
    force: z.boolean(),
    name: text,
    homehost: text.nullable(),
    uuid: z
      .string()
      .regex(/^[\da-fA-F]{32}$/, "32 hexadecimal digits are expected")
      .nullable(),
    readOnly: z.boolean(),
    writeZeroes: z.boolean(),
    badBlockLog: z.boolean().optional(),
    dryRun: z.boolean(),
  }),
  build: z.strictObject({
    names,
    devices,
    level,
    layout: z.int().nullable(),
    chunkSectors: sectors.nullable(),
    componentSectors: sectors.nullable(),
    assumeClean: z.boolean(),
  }),
  assemble: z.strictObject({
    names,
    devices: paths,
    mode,
    force: z.boolean(),
    run: z.boolean(),
    noDegraded: z.boolean(),
    update: update.nullable(),
  }),
  include: z.strictObject({ names, device: devicePath, mode, run: z.boolean() }),
  stop: z.strictObject({ array: arrayName, force: z.boolean() }),
  set: z.strictObject({ array: arrayName, action: sysfsAction }),
  add: z.strictObject({
    array: arrayName,
    device: devicePath,
    as: z.enum(["member", "re-add", "spare", "journal"]),
    writeMostly: z.boolean().nullable(),
    failFast: z.boolean().nullable(),
    update: z.enum(["bbl", "no-bbl"]).nullable(),
  }),
  remove: member,
  fail: member,
  replace: z.strictObject({ array: arrayName, device: path, with: path.nullable() }),
  grow,
  events: z.strictObject({
    after: z.coerce.number().int().nonnegative(),
    waitMs: z.coerce.number().int().nonnegative().max(MAX_WAIT_MS),
  }),
  zeroSuperblock: z.strictObject({ device: devicePath, force: z.boolean() }),
  mappedDevices: z.undefined(),
  mappedDevice: mappedName,
  mappedCreate: z.strictObject({
    name: mappedName,
    uuid: text,
    minor: z
      .int()
      .nonnegative()
      .max(2 ** 20 - 1)
      .nullable(),
    table: table.nullable(),
    readOnly: z.boolean(),
  }),
  mappedLoad: z.strictObject({ device: mappedName, table, readOnly: z.boolean() }),
  mappedClear: mappedName,
  mappedSuspend: z.strictObject({
    device: mappedName,
    noFlush: z.boolean(),
    noLockFs: z.boolean(),
  }),
  mappedResume: mappedName,
  mappedStatus: z.strictObject({
    device: mappedName,
    inactive: z.boolean(),
    noFlush: z.boolean(),
  }),
  mappedMessage: z.strictObject({
    device: mappedName,
    sector: sectors,
    words: z.array(text).min(1).max(4096),
  }),
  mappedRename: z.strictObject({ device: mappedName, name: text }),
  mappedSetUuid: z.strictObject({ device: mappedName, uuid: text }),
  mappedRemove: z.strictObject({ device: mappedName, deferred: z.boolean() }),
  mappedWait: z.strictObject({
    device: mappedName,
    event: z.coerce.number().int().nonnegative(),
  }),
  targetTypes: z.undefined(),
};
