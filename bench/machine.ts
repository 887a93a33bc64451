/** What the figures were measured on: enough to judge them, nothing that names the machine. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { ROOT } from "../scripts/setup.mjs";
import type { PlaceName } from "./cells.ts";
import { peerVersions } from "./peers.ts";
import { runProgram } from "./processes.ts";

const GIB = 1024 ** 3;

/** Numbers only: what distributors and providers append may name them. */
function kernelVersion(): string {
  return /^[\d.]+/.exec(release())?.[0] ?? "unknown";
}

function distribution(): string {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}

function fileSystem(path: string): string {
  try {
    return execFileSync("df", ["--output=fstype", path]).toString().split("\n")[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}

export async function describeMachine(
  places: Readonly<Record<PlaceName, string>>,
): Promise<Record<string, string>> {
  return {
    processor: `${availableParallelism()} x ${cpus()[0]?.model ?? "unknown"} (${arch()})`,
    memory: `${Math.round(totalmem() / GIB)} GiB`,
    kernel: kernelVersion(),
    system: distribution(),
    node: process.versions.node,
    disk: fileSystem(places.disk),
    tmpfs: fileSystem(places.tmpfs),
    ...(await peerVersions()),
  };
}

/** The abbreviated commit, marked when the tree has changes to what is built. */
export async function currentCommit(): Promise<string> {
  const { stdout } = await runProgram("git", ["rev-parse", "--short", "HEAD"], 10, { cwd: ROOT });
  const status = ["status", "--porcelain", "--", "src", "bin", "package-lock.json"];
  const changes = await runProgram("git", status, 10, { cwd: ROOT });
  return `${stdout.trim()}${changes.stdout.trim() === "" ? "" : " with changes"}`;
}

/** What dist/ was built from, shortened: the same for commits that change other things. */
export function buildFingerprint(): string {
  const { inputs } = JSON.parse(readFileSync(join(ROOT, "dist", "build.json"), "utf8")) as {
    inputs: Readonly<Record<string, string>>;
  };
  return createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 12);
}

/** How Holdfast reaches files and sockets, by its own word; before it had a choice it was "node". */
export async function backendOf(): Promise<string> {
  const program = join(ROOT, "bin", "holdfast");
  const { stdout } = await runProgram(program, ["--version", "--verbose"], 20);
  return /^backend\s+(\S+)/m.exec(stdout)?.[1] ?? "node";
}
