/**
 * `node bench/clone-pass.mjs METADATA DESTINATION SOURCE`: a clone hydrates all of its destination, where nothing is yet. Prints as one line of
 * JSON the seconds from when it is resumed to when its metadata says on the device that all is there.
 */
import "../scripts/ts-hook.mjs";
import { buildWasm } from "../scripts/wasm.mjs";

buildWasm();

const { chooseBackend } = await import("../src/bin/backend.ts");
const { discard } = await import("../src/block/promises.ts");
const { MemoryDevice } = await import("../src/devices/memory.ts");
const { openDevice } = await import("../src/devices/open.ts");
const { nodeEnv } = await import("../src/env/node/env.ts");
const { mappedOver } = await import("./mapped-stack.mjs");

/** Regions of 64 KiB; eight copies of 256 KiB are under way, which stay in the processor's cache between reading and writing. */
const OPTIONS = "128 0 4 hydration_threshold 32 hydration_batch_size 4";
/** V8 compiles what is used; these bytes do not count, and are given back. */
const WARM_SECTORS = 64 * 2048;

// Timers of an Env keep no process alive.
const alive = setInterval(() => {}, 60_000);
const backend = await chooseBackend(nodeEnv());
const [metadata = "", destination = "", source = ""] = process.argv.slice(2);
const devices = {
  metadata: await openDevice(backend.env, metadata, { readOnly: false }),
  destination: await openDevice(backend.env, destination, { readOnly: false }),
  source: await openDevice(backend.env, source, { readOnly: true }),
  memory: new MemoryDevice({ name: "memory", sectors: 16 * 2048 }),
};
const { all, make } = mappedOver(devices);

/** @param {string} on the metadata device @param {number} sectors */
async function hydrate(on, sectors) {
  const startedMs = performance.now();
  const clone = await make("clone", `0 ${sectors} clone ${on} ./destination ./source ${OPTIONS}`);
  // Something is told when all is there and committed.
  const before = clone.eventNr;
  if (!isWhole(await clone.live?.status(true))) await clone.waitForEvent(before);
  const seconds = (performance.now() - startedMs) / 1000;
  if (!isWhole(await clone.live?.status(true))) throw new Error("the clone has failed");
  await all.remove(clone, { deferred: false });
  return seconds;
}

/** @param {readonly string[] | undefined} status */
function isWhole([line = ""] = []) {
  const [done, of] = (line.split(" ")[6] ?? "").split("/");
  return done !== undefined && done === of;
}

await hydrate("./memory", Math.min(WARM_SECTORS, devices.source.sectors));
await discard(devices.destination, 0, devices.destination.sectors);
console.log(JSON.stringify({ seconds: await hydrate("./metadata", devices.source.sectors) }));
await all.close();
for (const device of Object.values(devices)) await device.close();
await backend.stop();
clearInterval(alive);
