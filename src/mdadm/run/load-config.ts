/**
 * Which files the configuration is made of: the one that was named (or, if that is a folder, what ends in .conf there), else
 * /etc/mdadm.conf, else /etc/mdadm/mdadm.conf, and what lies in the folder of that name with .d behind it.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { Env } from "../../env/env.ts";
import { readSmallFile } from "../../env/small-file.ts";
import { parseConfig } from "../config.ts";
import type { Config } from "../config.ts";

const USUAL = ["/etc/mdadm.conf", "/etc/mdadm/mdadm.conf"] as const;

async function confFilesIn(env: Env, folder: string): Promise<string[]> {
  const names = await env.files.list(folder);
  const wanted = names.filter((name) => name.endsWith(".conf") && !name.startsWith("."));
  return wanted.map((name) => `${folder}/${name}`);
}

async function named(env: Env, path: string): Promise<string[]> {
  const found = await env.files.stat(path);
  return found?.kind === "folder" ? confFilesIn(env, path) : [path];
}

async function usual(env: Env): Promise<string[]> {
  const files: string[] = [];
  for (const path of USUAL) {
    const found = await env.files.stat(path);
    if (found === null) continue;
    files.push(path);
    break;
  }
  const folder = `${files[0] ?? USUAL[0]}.d`;
  const more = await env.files.stat(folder);
  return more?.kind === "folder" ? [...files, ...(await confFilesIn(env, folder))] : files;
}

/** @param choice "none", "partitions", a file or a folder; null: the usual ones */
export async function loadConfig(env: Env, choice: string | null): Promise<Config> {
  if (choice === "none" || choice === "partitions") return parseConfig();
  const paths = choice === null ? await usual(env) : await named(env, choice);
  const texts: string[] = [];
  const problems: string[] = [];
  for (const path of paths)
    try {
      texts.push(await readSmallFile(env, path));
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      problems.push(`the configuration is read without ${path}: ${thrown.message}`);
    }
  const config = parseConfig(...texts);
  return { ...config, messages: [...problems, ...config.messages] };
}
