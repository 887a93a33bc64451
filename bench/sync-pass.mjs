/**
 * `node bench/sync-pass.mjs check MEMBER...`, `crash SHARE MEMBER...`, `resync MEMBER...`: runs an array for writing, without limits to the
 * speed of background sync, and prints as one line of JSON what it took: seconds from when the array runs to when nothing is left to be done,
 * bytes read of members, sectors that differ. `crash` writes to a share of the regions and dies. `fill FILE MEMBER...` writes all of the array in
 * order, whole stripes of FILE, as dd would.
 */
import "../scripts/ts-hook.mjs";
import { buildWasm } from "../scripts/wasm.mjs";

buildWasm();

const { chooseBackend } = await import("../src/bin/backend.ts");
const { flush, readInto, writeSectors } = await import("../src/block/promises.ts");
const { openDevice } = await import("../src/devices/open.ts");
const { nodeEnv } = await import("../src/env/node/env.ts");
const { createParityEngine } = await import("../src/parity/engine.ts");
const { SyncScheduler } = await import("../src/sync/scheduler.ts");
const { openVolumes } = await import("../src/volume/open.ts");
const { startWritable } = await import("../src/volume/writable.ts");

/** @typedef {import("../src/env/env.ts").Env} Env */
/** @typedef {import("../src/md/running/managed-array.ts").ManagedArray} ManagedArray */

/** Three chunks of 64 KiB, as many at a time as clients have under way. */
const STRIPE_BYTES = 768 * 1024;
const DEPTH = 4;
/** V8 compiles what is used. */
const WARM_MS = 1000;
const UNLIMITED = { minKiBps: 1e9, maxKiBps: 1e9 };

let readBytes = 0;

/** @param {Env} env @returns {Env} which counts what is read */
function counting(env) {
  /** @type {Env["files"]["open"]} */
  const open = async (path, mode) => {
    const file = await env.files.open(path, mode);
    const read = file.read.bind(file);
    file.read = (data, ...rest) => {
      readBytes += data.length;
      read(data, ...rest);
    };
    return file;
  };
  return { ...env, files: { ...env.files, open } };
}

/** @param {Env} env @param {readonly string[]} paths */
async function run(env, paths) {
  const parity = createParityEngine();
  /** @type {ManagedArray | null} */
  let array = null;
  let startedMs = 0;
  const opened = await openVolumes(
    env,
    { paths, force: false },
    () => parity,
    async (set, { notes }, plan) => {
      const options = { env, plan, parityEngine: () => parity, scheduler: new SyncScheduler() };
      const started = await startWritable(set, { ...options, systemLimits: UNLIMITED, notes });
      startedMs = performance.now();
      if ("array" in started) array = started.array;
      return started;
    },
  );
  if (array === null) throw new Error(JSON.stringify(opened.refused[0]?.verdict));
  return { opened, array: /** @type {ManagedArray} */ (array), startedMs, arena: parity.arena };
}

/** @param {ManagedArray} managed @param {number} share */
async function crash({ array, tracker }, share) {
  const step = (tracker?.regionSectors ?? 1) * Math.round(1 / share);
  const data = new Uint8Array(4096).fill(1);
  for (let sector = 0; sector + 8 <= array.sectors; sector += step)
    await writeSectors(array, sector, data);
  console.log(JSON.stringify({ seconds: 0, readBytes, mismatches: 0 }));
  process.exit(0);
}

/**
 * Some seconds without counting first, then all of it.
 * @param {Env} env
 * @param {Awaited<ReturnType<typeof run>>} running
 * @param {string} path
 * @returns {Promise<number>} seconds
 */
async function fill(env, { array: { array }, arena }, path) {
  const source = await openDevice(env, path, { readOnly: true });
  const stripeSectors = STRIPE_BYTES / 512;
  const stripes = Math.floor(array.sectors / stripeSectors);
  const buffers = Array.from({ length: DEPTH }, () => {
    const buffer = arena?.take(STRIPE_BYTES) ?? new Uint8Array(STRIPE_BYTES);
    return buffer.subarray(0, STRIPE_BYTES);
  });
  /** @param {() => boolean} goesOn */
  const pass = async (goesOn) => {
    let next = 0;
    const lane = async (/** @type {Uint8Array} */ data) => {
      while (next < stripes && goesOn()) {
        const sector = next * stripeSectors;
        next += 1;
        await readInto(source, sector, data);
        await writeSectors(array, sector, data);
      }
    };
    await Promise.all(buffers.map(lane));
  };
  const warmUntilMs = performance.now() + WARM_MS;
  while (performance.now() < warmUntilMs) await pass(() => performance.now() < warmUntilMs);
  await flush(array);
  const fromMs = performance.now();
  await pass(() => true);
  const seconds = (performance.now() - fromMs) / 1000;
  await source.close();
  return seconds;
}

// Timers of an Env keep no process alive.
const alive = setInterval(() => {}, 60_000);
const [action, ...rest] = process.argv.slice(2);
const backend = await chooseBackend(nodeEnv());
const env = counting(backend.env);
const share = action === "crash" ? Number(rest.shift()) : 0;
const source = action === "fill" ? String(rest.shift()) : "";
const running = await run(env, rest);
const { opened, array, startedMs } = running;
readBytes = 0;
const filledSeconds = action === "fill" ? await fill(env, running, source) : null;
if (action === "crash") await crash(array, share);
if (action === "check") await array.sync.setAction("check");
await array.sync.whenAtRest();
const seconds = filledSeconds ?? (performance.now() - startedMs) / 1000;
console.log(JSON.stringify({ seconds, readBytes, mismatches: array.sync.mismatches }));
await opened.close();
await backend.stop();
clearInterval(alive);
