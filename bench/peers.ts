/** The programs that Holdfast is compared with: installed where that is possible, with their versions. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, packageOf } from "../scripts/peers.mjs";
import { ensurePeers } from "../scripts/setup.mjs";
import { runProgram } from "./processes.ts";
import { programOf, startServer } from "./servers.ts";
import type { ServerName } from "./servers.ts";

const PROGRAMS = ["fio", "qemu-nbd", "nbdkit"] as const;
/** A library has no program to look for. */
const ISAL = { package: "libisal2", library: "libisal.so.2" } as const;
const SERVERS = ["qemu-nbd", "qemu-nbd-uring", "nbdkit", "quorum"] as const;

function hasIsal(): boolean {
  const ldconfig = findProgram("ldconfig");
  if (ldconfig === undefined) return false;
  return execFileSync(ldconfig, ["-p"]).includes(ISAL.library);
}

/** Debian packages. */
function missingPackages(): string[] {
  const missing = PROGRAMS.filter((program) => findProgram(program) === undefined).map(packageOf);
  return hasIsal() ? missing : [...missing, ISAL.package];
}

/** Installs what is missing, where that is possible, and says what still is. */
export async function preparePeers(): Promise<void> {
  const missing = await ensurePeers(missingPackages);
  if (missing.length === 0) return;
  const names = missing.join(" ");
  console.log(`These Debian packages are missing and cannot be installed from here: ${names}`);
}

/** First line of each program's --version. */
export async function peerVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const program of PROGRAMS) {
    const { code, stdout } = await runProgram(program, ["--version"], 10).catch(() => ({
      code: 127,
      stdout: "",
    }));
    versions[program] = code === 0 ? (stdout.split("\n")[0] ?? "") : "not installed";
  }
  return versions;
}

/** Why qemu-nbd cannot use io_uring here; null when it can. */
async function ioUringProblem(folder: string): Promise<string | null> {
  const inside = join(folder, "probe");
  mkdirSync(inside);
  const plain = join(inside, "probe.img");
  writeFileSync(plain, new Uint8Array(1024 * 1024));
  try {
    const server = await startServer("qemu-nbd-uring", {
      files: [plain],
      writes: "none",
      folder: inside,
    });
    await server.stop();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function fioProblem(): Promise<string | null> {
  if (findProgram("fio") === undefined) return missingText("fio");
  const { stdout } = await runProgram("fio", ["--enghelp"], 10);
  return /^\s*nbd$/m.test(stdout) ? null : "this fio has no nbd engine";
}

function missingText(program: string): string {
  return `${program} is not installed (Debian package ${packageOf(program)})`;
}

/**
 * Which peers cannot be measured here, and why; "fio" stands for all servers, since there is no load without it.
 * @param folder for a probe; exists
 */
export async function problemsOfServers(
  folder: string,
): Promise<ReadonlyMap<ServerName | "fio", string>> {
  const problems = new Map<ServerName | "fio", string>();
  for (const name of SERVERS) {
    const program = programOf(name);
    if (findProgram(program) === undefined) problems.set(name, missingText(program));
  }
  if (!problems.has("qemu-nbd-uring")) {
    const problem = await ioUringProblem(folder);
    if (problem !== null) problems.set("qemu-nbd-uring", problem);
  }
  const problem = await fioProblem();
  if (problem !== null) problems.set("fio", problem);
  return problems;
}
