/** NBD servers for tests, and outside programs run against them. */
import { execFile } from "node:child_process";
import type { Env } from "../../src/env/env.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import { readBio, writeBio } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { Prng } from "../../src/base/prng.ts";
import type { NbdServer, NbdServerOptions } from "../../src/nbd/server.ts";
import { startNbdServer } from "../../src/nbd/server.ts";
import { findProgram } from "../../scripts/peers.mjs";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of the peers table to its end; its code is for the caller to judge. */
export function run(
  program: string,
  args: readonly string[],
  options: { timeoutMs?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const env = { ...process.env, LC_ALL: "C", ...options.env };
  const timeout = options.timeoutMs ?? 60_000;
  return new Promise((resolve) => {
    execFile(
      findProgram(program) ?? program,
      args,
      { env, timeout, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

/** Runs a program that must succeed, and gives its output. */
export async function runWell(
  program: string,
  args: readonly string[],
  options: { timeoutMs?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0)
    throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

export async function withNbdServer(
  env: Env,
  options: NbdServerOptions,
  use: (server: NbdServer) => Promise<void>,
): Promise<void> {
  const server = await startNbdServer(env, options);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

/** A memory disk with seeded bytes at the given sector ranges. */
export function seededDisk(
  sectors: number,
  seed: number,
  ranges: readonly (readonly [sector: number, sectors: number])[],
): MemoryDevice {
  const device = new MemoryDevice({ name: "disk", sectors });
  const prng = new Prng(seed);
  for (const [sector, count] of ranges) {
    const data = new Uint8Array(count * 512);
    prng.fill(data);
    let failed: Error | null = null;
    device.submit(writeBio(sector, data, 0, (error) => (failed = error)));
    if (failed !== null) throw failed as Error;
  }
  return device;
}

/** The whole device, for devices that end reads at once. */
export function bytesOf(device: BlockDevice): Buffer {
  const data = new Uint8Array(device.sectors * 512);
  let failed: Error | null = null;
  device.submit(readBio(0, data, (error) => (failed = error)));
  if (failed !== null) throw failed as Error;
  return Buffer.from(data.buffer);
}
