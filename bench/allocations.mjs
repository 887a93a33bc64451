/**
 * `node bench/allocations.mjs [--json] [PATTERN]`: what one request costs inside the process, from ByteDevice to the members and back: bytes
 * allocated and processor time. No socket and no system call: members are file devices over a file that
 * completes what it was asked, 32 requests at a time, without touching the data ("idle"); and memory disks, which copy it.
 *
 * Bytes are what the heap grew by, in a process whose young generation is so large that nothing is collected meanwhile. Times include
 * collecting, with the young generation that Node comes with.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { getHeapStatistics } from "node:v8";
import "../scripts/ts-hook.mjs";
import { buildWasm } from "../scripts/wasm.mjs";

buildWasm();

const { ByteDevice } = await import("../src/block/bytes.ts");
const { FileDevice } = await import("../src/devices/file.ts");
const { MemoryDevice } = await import("../src/devices/memory.ts");
const { OverlayDevice } = await import("../src/devices/overlay.ts");
const { SliceDevice } = await import("../src/devices/slice.ts");
const { MdArray } = await import("../src/md/array.ts");
const { makeGeometry } = await import("../src/md/geometry/geometry.ts");
const { makePersonality } = await import("../src/md/personalities/make.ts");
const { Slot, fixedView } = await import("../src/md/slot.ts");
const { createParityEngine, plainEngine } = await import("../src/parity/engine.ts");
const { WRITABLE_LIMITS } = await import("../src/block/device.ts");
const { nodeEnv } = await import("../src/env/node/env.ts");
const { decodeSuperblock1 } = await import("../src/formats/md/superblock-1.ts");
const { RunningArray } = await import("../src/md/running/array.ts");
const { BadBlockTable } = await import("../src/md/running/bad-block-table.ts");
const { failureRule } = await import("../src/md/running/failure-rule.ts");
const { makeLevel } = await import("../src/md/running/levels/make.ts");
const { Member: RunningMember } = await import("../src/md/running/member.ts");
const { Members } = await import("../src/md/running/members.ts");
const { noRegions } = await import("../src/regions/region-tracker.ts");
const { metadataWrites } = await import("./arrays.ts");
const { MAPPED } = await import("./mapped-stack.mjs");

/** @typedef {import("../src/block/device.ts").BlockDevice} BlockDevice */
/** @typedef {import("../src/formats/md/superblock.ts").MdShape} MdShape */
/** @typedef {import("./arrays.ts").ArrayName} ArrayName */
/** @typedef {{ readonly device: BlockDevice, readonly finish: () => void }} Member */

const DEPTH = 32;
const REQUEST_BYTES = 4096;
const MEMBER_SECTORS = 64 * 2048;
const DATA_OFFSET = 2048;
const WARM_UP = 60_000;
const COUNTED = 96_000;
const TURNS = 9;
const YOUNG_MIB = 256;

/** @type {Readonly<Record<string, MdShape>>} */
const SHAPES = {
  linear: { level: "linear", layout: 0, chunkSectors: 0, raidDisks: 2 },
  raid0: { level: "raid0", layout: 0, chunkSectors: 128, raidDisks: 2 },
  raid1: { level: "raid1", layout: 0, chunkSectors: 0, raidDisks: 2 },
  raid10: { level: "raid10", layout: 0x102, chunkSectors: 128, raidDisks: 4 },
  raid5: { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 4 },
  raid6: { level: "raid6", layout: 2, chunkSectors: 128, raidDisks: 4 },
};

/**
 * A file that remembers what it was asked until `finish`, at most DEPTH requests.
 * @returns {Member}
 */
function idleFile() {
  let waiting = 0;
  /** @type {((error: null, bytes: number) => void)[]} */
  const done = Array.from({ length: DEPTH }, () => () => {});
  const bytes = new Float64Array(DEPTH);
  /** @type {(data: Uint8Array, offset: number, ended: (error: null, bytes: number) => void) => void} */
  const ask = (data, _offset, ended) => {
    done[waiting] = ended;
    bytes[waiting] = data.length;
    waiting += 1;
  };
  const handle = {
    path: "idle",
    sizeBytes: MEMBER_SECTORS * 512,
    read: ask,
    write: ask,
    /** @param {readonly Uint8Array[]} parts @param {number} offset @param {(error: null) => void} ended */
    writeParts: (parts, offset, ended) => ask(Buffer.concat(parts), offset, ended),
    writeDurably: ask,
    /** @param {(error: null) => void} ended */
    flush: (ended) => ended(null),
    punchHole: () => true,
    truncate: () => Promise.resolve(),
    /** @param {number} offsetBytes @param {number} lengthBytes */
    extentAt: (offsetBytes, lengthBytes) => ({
      offsetBytes,
      lengthBytes,
      kind: /** @type {const} */ ("data"),
    }),
    close: () => Promise.resolve(),
  };
  const finish = () => {
    const count = waiting;
    waiting = 0;
    for (let i = 0; i < count; i += 1)
      /** @type {(error: null, bytes: number) => void} */ (done[i])(null, bytes[i] ?? 0);
  };
  return { device: new FileDevice(handle, false), finish };
}

/** @returns {Member} */
function memoryDisk() {
  const device = new MemoryDevice({ name: "memory", sectors: MEMBER_SECTORS });
  const data = new Uint8Array(1024 * 1024).fill(1);
  const bytes = new ByteDevice(device);
  for (let at = 0; at < MEMBER_SECTORS * 512; at += data.length) bytes.write(at, data, 0, () => {});
  return { device, finish: () => {} };
}

/**
 * @param {MdShape} shape
 * @param {() => Member} makeMember
 * @returns {Member}
 */
function array(shape, makeMember) {
  const members = Array.from({ length: shape.raidDisks }, makeMember);
  const used = MEMBER_SECTORS - DATA_OFFSET;
  const geometry = makeGeometry(shape, {
    componentSectors: used,
    memberSectors: members.map(() => used),
    raid0Layout: null,
  });
  const slots = members.map(({ device }, i) => {
    const view = fixedView(`m${i}`, device, DATA_OFFSET, Infinity, []);
    return new Slot(i, [view], false);
  });
  const endSector = geometry.arraySectors;
  const device = new MdArray({
    name: shape.level,
    sectors: endSector,
    regions: [{ endSector, personality: makePersonality(geometry, slots, () => plainEngine) }],
    optimalIoBytes: 0,
    logicalBlockBytes: 512,
  });
  return { device, finish: () => members.forEach(({ finish }) => finish()) };
}

/**
 * An array that is written to, without superblocks and bitmap, which are written now and then only.
 * @param {MdShape} shape
 * @param {() => Member} makeMember
 * @returns {Member}
 */
function running(shape, makeMember) {
  const disks = Array.from({ length: shape.raidDisks }, makeMember);
  const used = MEMBER_SECTORS - DATA_OFFSET;
  const geometry = makeGeometry(shape, {
    componentSectors: used,
    memberSectors: disks.map(() => used),
    raid0Layout: null,
  });
  const name = /** @type {ArrayName} */ (`${shape.level}-${shape.raidDisks}`);
  const writes = metadataWrites(name, used, null);
  const attached = disks.map(({ device }, slot) => {
    const image = /** @type {Uint8Array} */ (writes.findLast((one) => one.slot === slot)?.bytes);
    const decoded = decodeSuperblock1(image, "1.2", { sector: 8, deviceSectors: MEMBER_SECTORS });
    if (decoded.kind !== "ok") throw new Error("a superblock that was made just now is bad");
    const { superblock } = decoded;
    const badBlocks = new BadBlockTable(superblock.badBlockLog, []);
    const standing = /** @type {const} */ ({ kind: "in-sync", slot });
    return new RunningMember({ label: `m${slot}`, device, superblock, image, standing, badBlocks });
  });
  const engine = createParityEngine();
  const device = new RunningArray({
    name: shape.level,
    sectors: geometry.arraySectors,
    limits: WRITABLE_LIMITS,
    members: new Members(shape.raidDisks, attached),
    record: {
      raidDisks: shape.raidDisks,
      componentSectors: used,
      hasPpl: false,
      events: 1,
      isClean: false,
      resyncOffsetSectors: Infinity,
    },
    regions: noRegions,
    bitmap: null,
    goneEvents: 0,
    rule: failureRule(shape),
    keepsSuperblocks: false,
    mode: "read-write",
    clock: nodeEnv().clock,
    timers: nodeEnv().timers,
    parity: () => engine,
    makeLevel: (core) => makeLevel(core, geometry, shape, null),
    prepare: null,
  });
  return { device, finish: () => disks.forEach(({ finish }) => finish()) };
}

/** @type {(makeMember: () => Member) => Member} */
function overlaid(makeMember) {
  const base = array(/** @type {MdShape} */ (SHAPES["linear"]), makeMember);
  const store = makeMember();
  const finish = () => {
    base.finish();
    store.finish();
  };
  const { sectors } = base.device;
  const slice = new SliceDevice(base.device, "base", 0, Math.min(sectors, store.device.sectors));
  return { device: new OverlayDevice(slice, store.device), finish };
}

/** @type {(makeMember: () => Member) => Member} */
function sliced(makeMember) {
  const { device, finish } = makeMember();
  return { device: new SliceDevice(device, "slice", 2048, device.sectors - 2048), finish };
}

/** @typedef {{ readonly name: string, readonly op: "read" | "write", readonly make: (makeMember: () => Member) => Member | Promise<Member> }} Case */

/**
 * @param {string} name of a mapped device
 * @returns {Case["make"]}
 */
function mapped(name) {
  return async (makeMember) => {
    const { members: count, make } = /** @type {(typeof MAPPED)[string]} */ (MAPPED[name]);
    const members = Array.from({ length: count }, makeMember);
    const finish = () => members.forEach((member) => member.finish());
    const finishing = setInterval(finish, 1);
    const device = await make(members.map((member) => member.device));
    clearInterval(finishing);
    return { device: device.open({ readOnly: false }), finish };
  };
}

/** @type {readonly Case[]} */
const CASES = [
  { name: "file", op: "read", make: (makeMember) => makeMember() },
  { name: "file", op: "write", make: (makeMember) => makeMember() },
  { name: "slice", op: "read", make: sliced },
  { name: "slice", op: "write", make: sliced },
  ...Object.entries(SHAPES).map(([name, shape]) => ({
    name,
    op: /** @type {const} */ ("read"),
    make: /** @type {Case["make"]} */ ((makeMember) => array(shape, makeMember)),
  })),
  ...["raid1", "raid10", "raid5", "raid6"].map((name) => ({
    name,
    op: /** @type {const} */ ("write"),
    make: /** @type {Case["make"]} */ (
      (makeMember) => running(/** @type {MdShape} */ (SHAPES[name]), makeMember)
    ),
  })),
  { name: "overlay", op: "read", make: overlaid },
  { name: "overlay", op: "write", make: overlaid },
  ...Object.keys(MAPPED).flatMap((name) =>
    /** @type {const} */ (["read", "write"]).map((op) => ({ name, op, make: mapped(name) })),
  ),
];

/**
 * Makes what sends so many requests at DEPTH, each 4 KiB at a place of its own.
 * @param {Member} member
 * @param {"read" | "write"} op
 * @returns {(requests: number) => void}
 */
function driver(member, op) {
  const bytes = new ByteDevice(member.device);
  const buffers = Array.from({ length: DEPTH }, () => new Uint8Array(REQUEST_BYTES));
  const places = Math.floor(bytes.sizeBytes / REQUEST_BYTES);
  let ended = 0;
  const end = (/** @type {Error | null} */ error) => {
    if (error !== null) throw error;
    ended += 1;
  };
  let place = 1;
  return (requests) => {
    ended = 0;
    for (let done = 0; done < requests; done += DEPTH) {
      for (const data of buffers) {
        place = (place * 5 + 4099) % places;
        if (op === "read") bytes.read(place * REQUEST_BYTES, data, end);
        else bytes.write(place * REQUEST_BYTES, data, 0, end);
      }
      // A completion may have asked for more.
      while (ended < done + DEPTH) member.finish();
    }
  };
}

/** @type {(values: readonly number[]) => number} */
const median = (values) =>
  /** @type {number} */ (values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]);

/**
 * @param {Case} one
 * @param {() => Member} makeMember
 * @param {() => () => number} start Gives what tells how much was used since.
 * @returns {Promise<number>} for one request
 */
async function measure(one, makeMember, start) {
  const drive = driver(await one.make(makeMember), one.op);
  drive(WARM_UP);
  // What lives on, the buffers among it, is old in a server, and so it is to be here.
  for (let i = 0; i < 3; i += 1) globalThis.gc?.();
  const turns = Array.from({ length: TURNS }, () => {
    globalThis.gc?.();
    const used = start();
    drive(COUNTED);
    return used() / COUNTED;
  });
  return Math.round(median(turns));
}

function heapBytes() {
  const before = getHeapStatistics().used_heap_size;
  return () => getHeapStatistics().used_heap_size - before;
}

function processorNs() {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) * 1000;
  };
}

/** @type {Readonly<Record<string, { flags: readonly string[], run: (one: Case) => Promise<number> }>>} */
const MEASURES = {
  bytes: {
    flags: [`--max-semi-space-size=${YOUNG_MIB}`, `--min-semi-space-size=${YOUNG_MIB}`],
    run: (one) => measure(one, idleFile, heapBytes),
  },
  ns: { flags: [], run: (one) => measure(one, idleFile, processorNs) },
  memoryNs: { flags: [], run: (one) => measure(one, memoryDisk, processorNs) },
};

/**
 * In a process of its own: what V8 learnt of other cases would slow it down.
 * @param {string} name of a measure
 * @param {number} index of a case
 * @returns {number}
 */
function inChild(name, index) {
  const flags = ["--expose-gc", ...(MEASURES[name]?.flags ?? [])];
  const self = fileURLToPath(import.meta.url);
  const parameters = [...flags, self, name, String(index)];
  const { stdout, stderr, status } = spawnSync(process.execPath, parameters, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

const [, , mode = "", index = ""] = process.argv;
const asked = MEASURES[mode];
if (asked !== undefined) {
  console.log(await asked.run(/** @type {Case} */ (CASES[Number(index)])));
  // Timers of metadata are still set.
  process.exit();
} else {
  const isJson = mode === "--json";
  const pattern = new RegExp(isJson ? index : mode);
  const rows = CASES.flatMap(({ name, op }, i) => {
    if (!pattern.test(`${name} ${op}`)) return [];
    const bytes = inChild("bytes", i);
    return [{ device: name, op, bytes, ns: inChild("ns", i), memoryNs: inChild("memoryNs", i) }];
  });
  if (isJson) console.log(JSON.stringify(rows));
  else {
    console.log("device     4 KiB    bytes   ns idle   ns memory");
    for (const { device, op, bytes, ns, memoryNs } of rows) {
      const figures = [
        String(bytes).padStart(7),
        String(ns).padStart(9),
        String(memoryNs).padStart(11),
      ];
      console.log(`${device.padEnd(10)} ${op.padEnd(6)}${figures.join(" ")}`);
    }
  }
}
