/**
 * STATE/state.json: which arrays run here, from which devices, in which mode, and the mapped devices with their live tables. It is only ever whole (Files.replace), and says nothing that
 * superblocks know better: a restart reads them again.
 */
import * as z from "zod";
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import { readSmallFile } from "../env/small-file.ts";

const device = z.strictObject({
  path: z.string().min(1),
  writeMostly: z.boolean(),
  failFast: z.boolean(),
  dataOffsetSectors: z.int().nonnegative().nullable(),
});

/** What a BuildCall says, as things stand (built.ts). */
const build = z.strictObject({
  level: z.enum(["linear", "raid0", "raid1", "raid4", "raid5", "raid6", "raid10"]),
  layout: z.int().nullable(),
  chunkSectors: z.int().nonnegative().nullable(),
  componentSectors: z.int().nonnegative().nullable(),
  devices: z.array(device.nullable()),
  assumeClean: z.boolean(),
  isSettled: z.boolean(),
});

const array = z.strictObject({
  kernelName: z.string().min(1),
  path: z.string().min(1),
  uuid: z.string().nullable(),
  mode: z.enum(["read-write", "read-auto", "read-only"]),
  devices: z.array(z.string().min(1)),
  /** Of an array without superblocks. */
  build: build.optional(),
});

const mapped = z.strictObject({
  name: z.string().min(1),
  uuid: z.string(),
  minor: z.int().nonnegative(),
  /** Null: it has no live table. */
  table: z.array(z.string()).nullable(),
  readOnly: z.boolean(),
  /** Paths of what has to be there before it. */
  standsOn: z.array(z.string()),
});

const VERSION = 1;
const state = z.strictObject({
  version: z.literal(VERSION),
  arrays: z.array(array),
  // Files of before there were any have none.
  mapped: z.array(mapped).default([]),
});

/** What is listed. */
export type ListedState = Omit<z.infer<typeof state>, "version">;
export type ListedMapped = z.infer<typeof mapped>;
export type ListedArray = z.infer<typeof array>;
export type ListedBuild = z.infer<typeof build>;

function pathIn(folder: string): string {
  return `${folder}/state.json`;
}

/** @throws HoldfastError `bad-metadata` for what no daemon has written */
export async function loadState(env: Env, folder: string): Promise<ListedState> {
  const path = pathIn(folder);
  if ((await env.files.stat(path)) === null) return { arrays: [], mapped: [] };
  const text = await readSmallFile(env, path);
  const found = state.safeParse(parsed(text));
  if (found.success) {
    const { arrays, mapped: devices } = found.data;
    return { arrays, mapped: devices };
  }
  throw new HoldfastError(
    "bad-metadata",
    `${path} is damaged, or of another version of holdfast, so it cannot be known which arrays ran here; move it away to start without any, and assemble them again from their disks.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export async function saveState(
  env: Env,
  folder: string,
  listed: { readonly arrays: readonly ListedArray[]; readonly mapped: readonly ListedMapped[] },
): Promise<void> {
  const text = `${JSON.stringify({ version: VERSION, ...listed }, null, 2)}\n`;
  await env.files.replace(pathIn(folder), new TextEncoder().encode(text), 0o600);
}
