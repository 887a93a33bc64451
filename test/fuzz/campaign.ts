/**
 * Running many random cases so that each can be run again alone.
 *
 * HOLDFAST_SEED picks the campaign, HOLDFAST_FUZZ_CASE one case of it; a failure names both. Case n draws from
 * a generator of its own, so it does not matter which cases ran before.
 *
 * A case that never gives the thread back cannot be interrupted from within: a second thread watches the number of the case
 * and, when it stands still for too long, says which one it is and ends the process.
 */
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { seedOfRun } from "../support/seed.ts";

function numberFrom(variable: string): number | null {
  const given = process.env[variable];
  if (given === undefined) return null;
  const value = Number(given);
  if (!Number.isSafeInteger(value)) throw new Error(`${variable} is not a number: ${given}`);
  return value;
}

export const FUZZ_SEED = seedOfRun();
const ONLY_CASE = numberFrom("HOLDFAST_FUZZ_CASE");

/** Memory that a campaign may hold more than at its start; what a collector has not got round to counts too. */
const MEMORY_SLACK_BYTES = 768 * 2 ** 20;
const MEMORY_EVERY = 1000;
const HANG_MS = 60_000;

const WATCHDOG = `
  const { workerData } = require("node:worker_threads");
  const { writeSync } = require("node:fs");
  const words = new Int32Array(workerData.shared);
  let last = -1, since = Date.now();
  setInterval(() => {
    const now = Atomics.load(words, 0);
    if (now !== last || now === 0) { last = now; since = Date.now(); return; }
    if (Date.now() - since < workerData.hangMs) return;
    const text = new TextDecoder().decode(new Uint8Array(workerData.name).slice());
    writeSync(2, "HANGS: " + text.replace(/\\0+$/, "") + ", case " + words[1] + "\\n");
    process.kill(process.pid, "SIGKILL");
  }, 1000);
`;

const shared = new SharedArrayBuffer(8);
const words = new Int32Array(shared);
const sharedName = new SharedArrayBuffer(256);

/** Call it once in a test file: starts and ends the watching thread. */
export function useWatchdog(): void {
  let worker: Worker | null = null;
  beforeAll(() => {
    const workerData = { shared, name: sharedName, hangMs: HANG_MS };
    worker = new Worker(WATCHDOG, { eval: true, workerData });
    worker.unref();
  });
  afterAll(async () => {
    await worker?.terminate();
  });
}

function heldBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function seedOf(name: string, index: number): number {
  let hash = FUZZ_SEED | 0;
  for (const letter of name) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
  return (Math.imul(hash, 0x9e3779b1) + index) | 0;
}

/** A case tells what it did as it goes, for the message when it fails. */
export type FuzzCase = (prng: Prng, log: string[]) => Promise<void>;

/**
 * Runs `cases` cases, or the one asked for.
 * @param name as the test is called, so that `-t` finds it
 * @returns how many ran
 * @throws the first failure, with what it takes to run that case again
 */
export async function runCases(name: string, cases: number, fuzzCase: FuzzCase): Promise<number> {
  new Uint8Array(sharedName).fill(0);
  const label = new TextEncoder().encode(`HOLDFAST_SEED=${FUZZ_SEED} ${name}`).slice(0, 255);
  new Uint8Array(sharedName).set(label);
  const before = heldBytes();
  const first = ONLY_CASE ?? 0;
  const end = ONLY_CASE === null ? cases : first + 1;
  for (let index = first; index < end; index += 1) {
    words[1] = index;
    Atomics.add(words, 0, 1);
    const log: string[] = [];
    try {
      await fuzzCase(new Prng(seedOf(name, index)), log);
    } catch (error) {
      const replay = `HOLDFAST_SEED=${FUZZ_SEED} HOLDFAST_FUZZ_CASE=${index} npx vitest run test/fuzz -t "${name}"`;
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`${text}\nafter: ${log.join("; ")}\nreplay: ${replay}`, { cause: error });
    }
    if (index % MEMORY_EVERY === MEMORY_EVERY - 1) checkMemory(before, index);
  }
  Atomics.store(words, 0, 0);
  return end - first;
}

function checkMemory(before: number, index: number): void {
  const grown = heldBytes() - before;
  if (grown > MEMORY_SLACK_BYTES)
    throw new Error(`after case ${index} ${Math.round(grown / 2 ** 20)} MiB more are held`);
}
