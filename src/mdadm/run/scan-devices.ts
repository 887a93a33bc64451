/**
 * The devices that a scan looks at: what DEVICE lines of the configuration name. "partitions" is every block device of the machine;
 * patterns are looked up in their folders.
 */
import { posix } from "node:path";
import { HoldfastError } from "../../base/errors.ts";
import type { Env } from "../../env/env.ts";
import { readSmallFile } from "../../env/small-file.ts";
import { matchesPattern } from "../config-match.ts";
import type { Session } from "./session.ts";

const PARTITIONS = "/proc/partitions";

/** Names in the fourth column; arrays of the machine itself are no members here. */
async function blockDevices(env: Env): Promise<string[]> {
  const there = await env.files.stat(PARTITIONS);
  if (there === null) return [];
  const text = await readSmallFile(env, PARTITIONS);
  const names = text.split("\n").flatMap((line) => {
    const [major, , , name] = line.trim().split(/\s+/);
    return name === undefined || !/^\d+$/.test(major ?? "") ? [] : [name];
  });
  const found: string[] = [];
  for (const name of names) {
    const path = `/dev/${name}`;
    if (/^(?:md|ram|zram)/.test(name)) continue;
    const stat = await env.files.stat(path).catch(() => null);
    if (stat?.kind === "block-device") found.push(path);
  }
  return found;
}

/** Paths that fit a pattern, whatever part of it has the wildcards. */
async function expandPattern(env: Env, pattern: string): Promise<string[]> {
  if (!/[*?[]/.test(pattern)) return [pattern];
  let found = [""];
  for (const part of pattern.split("/").slice(1)) {
    const next: string[] = [];
    for (const folder of found) next.push(...(await inFolder(env, folder, part)));
    found = next;
  }
  return found;
}

async function inFolder(env: Env, folder: string, part: string): Promise<string[]> {
  if (!/[*?[]/.test(part)) return [`${folder}/${part}`];
  try {
    const names = await env.files.list(folder === "" ? "/" : folder);
    const visible = names.filter((name) => part.startsWith(".") || !name.startsWith("."));
    return visible.filter((name) => matchesPattern(part, name)).map((name) => `${folder}/${name}`);
  } catch (thrown) {
    if (thrown instanceof HoldfastError) return [];
    throw thrown;
  }
}

/** In the order of the lines, each once. */
export async function devicesToScan(session: Session): Promise<string[]> {
  const { devices } = await session.config();
  const found = new Set<string>();
  for (const word of devices) {
    if (word === "containers") continue;
    const paths =
      word === "partitions"
        ? await blockDevices(session.env)
        : await expandPattern(session.env, posix.resolve(session.tools.folder, word));
    for (const path of paths) found.add(path);
  }
  return [...found];
}

/** Is the device one that the configuration lets us look at? */
export async function isScanned(session: Session, absolute: string): Promise<boolean> {
  const { devices } = await session.config();
  return devices.some(
    (word) =>
      word === "partitions" || matchesPattern(posix.resolve(session.tools.folder, word), absolute),
  );
}
