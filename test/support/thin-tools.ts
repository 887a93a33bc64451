/** Debian's tools for the metadata of thin pools, as judges of what was written here. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../../scripts/peers.mjs";
import { testFolder } from "./temp.ts";

export interface ToolResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runTool(program: string, ...args: string[]): ToolResult {
  const path = findProgram(program);
  if (path === undefined) throw new Error(`${program} is not there`);
  const { status, stdout, stderr } = spawnSync(path, args, { encoding: "utf8" });
  return { code: status, stdout, stderr };
}

/** What thin_check and thin_dump say of an image. */
export function judge(image: Uint8Array): {
  readonly check: ToolResult;
  readonly dump: ToolResult;
} {
  const path = join(testFolder("thin-metadata"), "meta.img");
  writeFileSync(path, image);
  return { check: runTool("thin_check", path), dump: runTool("thin_dump", path) };
}
