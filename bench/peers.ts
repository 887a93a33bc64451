/** The programs that Holdfast is compared with: installed where that is possible, with their versions. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../scripts/peers.mjs";
import { ensurePeers } from "../scripts/setup.mjs";
import { runProgram } from "./processes.ts";
import { startServer } from "./servers.ts";

const NEEDED = ["fio", "qemu-nbd", "nbdkit", "cat", "cmp", "dd"] as const;

/** Installs what is missing. Throws where fio, without which there is no load, is still not there. */
export async function preparePeers(): Promise<void> {
  if (NEEDED.every((program) => findProgram(program) !== undefined)) return;
  await ensurePeers();
  if (findProgram("fio") === undefined) {
    throw new Error("fio is not installed, and without it there is no load: install it.");
  }
}

/** First line of each program's --version. */
export async function peerVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const program of ["fio", "qemu-nbd", "nbdkit"]) {
    const { code, stdout } = await runProgram(program, ["--version"], 10).catch(() => ({
      code: 127,
      stdout: "",
    }));
    versions[program] = code === 0 ? (stdout.split("\n")[0] ?? "") : "not installed";
  }
  return versions;
}

/** Why qemu-nbd cannot use io_uring here; null when it can. */
export async function ioUringProblem(folder: string): Promise<string | null> {
  const inside = join(folder, "probe");
  mkdirSync(inside);
  const plain = join(inside, "probe.img");
  writeFileSync(plain, new Uint8Array(1024 * 1024));
  try {
    const server = await startServer("qemu-nbd-uring", {
      files: [plain],
      isWriting: false,
      folder: inside,
    });
    await server.stop();
    return null;
  } catch (error) {
    return `io_uring: ${error instanceof Error ? error.message : String(error)}`;
  }
}
