/**
 * `node bench/parity.mjs [--json] [--quick]`: the parity kernels against ISA-L, a C library with AVX code for the same work, called through koffi in
 * the same process on the same memory (Debian: libisal2).
 *
 * Each case is measured in short turns, one contender after the other, and the median of the turns counts: what else
 * the machine does then hits all alike; and it is processor time that is taken. "In cache" works on the same blocks again and again, "out of cache" walks through 512 MiB.
 * Figures are GB/s of data read (parity not counted).
 */
import { parseArgs } from "node:util";
import koffi from "koffi";
import "../scripts/ts-hook.mjs";
import { buildWasm } from "../scripts/wasm.mjs";

buildWasm();
const { Arena } = await import("../src/base/arena.ts");
const { createParityKernels } = await import("../src/parity/create.ts");
const { oracleKernels } = await import("../src/parity/oracle.ts");

const KIB = 1024;
const ARENA_BYTES = 1024 * 1024 * KIB;
const WALKED_BYTES = 512 * 1024 * KIB;
const UNITS = [4 * KIB, 64 * KIB, 256 * KIB];
const DATA_BLOCKS = [4, 8, 16];
/** Ratios to ISA-L that are to be reached, where `hasGoal`. */
const GOALS = { xor: { cache: 0.5, memory: 0.6 }, pq: { cache: 0.3, memory: 0.6 } };

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
/** Quick runs leave out what no goal is about. */
const unitsToMeasure = values.quick ? UNITS.filter((unit) => unit >= 64 * KIB) : UNITS;
const TURNS = values.quick ? 5 : 15;
const WARM_UP_TURNS = 3;
const TURN_MS = values.quick ? 10 : 20;

function loadIsal() {
  try {
    const library = koffi.load("libisal.so.2");
    return {
      xor: library.func("int xor_gen(int vects, int len, void *array)"),
      pq: library.func("int pq_gen(int vects, int len, void *array)"),
    };
  } catch (error) {
    throw new Error("ISA-L cannot be loaded (Debian: apt-get install libisal2)", { cause: error });
  }
}

/** @typedef {{ p: Uint8Array, q: Uint8Array, data: Uint8Array[], pointers: BigUint64Array, pointersXor: BigUint64Array }} Row */

/**
 * @param {InstanceType<typeof Arena>} arena
 * @param {number} unit
 * @param {number} count
 * @returns {Row}
 */
function makeRow(arena, unit, count) {
  const blocks = Array.from({ length: count + 2 }, () => {
    const block = arena.take(unit);
    if (block === null) throw new Error("The arena is full.");
    return block.subarray(0, unit);
  });
  for (const [i, block] of blocks.entries()) {
    for (let at = 0; at < unit; at += 1) block[at] = at * (2 * i + 3) + (at >> 8);
  }
  const p = /** @type {Uint8Array} */ (blocks[count]);
  const q = /** @type {Uint8Array} */ (blocks[count + 1]);
  const pointers = BigUint64Array.from(blocks.map((block) => koffi.address(block)));
  const data = blocks.slice(0, count);
  return { p, q, data, pointers, pointersXor: pointers.slice(0, count + 1) };
}

/**
 * Runs the contenders in turns. The first ones do not count: V8 is still compiling what is new in a case, and its threads' time would be the contender's.
 * @param {Record<string, (row: Row) => void>} contenders
 * @param {readonly Row[]} rows Walked round and round.
 * @param {number} rowBytes
 * @returns {Record<string, number[]>} GB/s of each turn.
 */
function race(contenders, rows, rowBytes) {
  /** @type {Record<string, number[]>} */
  const figures = {};
  for (let turn = -WARM_UP_TURNS; turn < TURNS; turn += 1) {
    for (const [name, run] of Object.entries(contenders)) {
      if (values.quick && name === "plain") continue;
      const started = process.cpuUsage();
      let done = 0;
      let ms = 0;
      do {
        for (let i = 0; i < 16; i += 1) run(/** @type {Row} */ (rows[done++ % rows.length]));
        const { user, system } = process.cpuUsage(started);
        ms = (user + system) / 1000;
      } while (ms < TURN_MS);
      if (turn >= 0) (figures[name] ??= []).push((done * rowBytes) / ms / 1e6);
    }
  }
  return figures;
}

/** @param {readonly number[]} figures */
function median(figures) {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? 0;
}

/** @param {Row} row */
function checkSame(row) {
  kernels.pq(row.p, row.q, row.data, coefficientsOf(row));
  const [p, q] = [row.p.slice(), row.q.slice()];
  isal.pq(row.pointers.length, row.p.length, row.pointers);
  if (Buffer.compare(p, row.p) !== 0 || Buffer.compare(q, row.q) !== 0) {
    throw new Error("ISA-L and the kernels do not agree.");
  }
}

/** @type {Map<number, number[]>} */
const coefficients = new Map();
/** @param {Row} row */
function coefficientsOf(row) {
  const count = row.data.length;
  let found = coefficients.get(count);
  if (found === undefined) {
    found = Array.from({ length: count }, (_unused, i) => i);
    coefficients.set(count, found);
  }
  return found;
}

const isal = loadIsal();
const arena = new Arena(ARENA_BYTES);
const kernels = createParityKernels(arena);

const CONTENDERS = {
  xor: {
    holdfast: (/** @type {Row} */ row) => kernels.xor(row.p, row.data),
    isal: (/** @type {Row} */ row) =>
      isal.xor(row.pointersXor.length, row.p.length, row.pointersXor),
    plain: (/** @type {Row} */ row) => oracleKernels.xor(row.p, row.data),
  },
  pq: {
    holdfast: (/** @type {Row} */ row) => kernels.pq(row.p, row.q, row.data, coefficientsOf(row)),
    isal: (/** @type {Row} */ row) => isal.pq(row.pointers.length, row.p.length, row.pointers),
    plain: (/** @type {Row} */ row) =>
      oracleKernels.pq(row.p, row.q, row.data, coefficientsOf(row)),
  },
};

/**
 * One line of the result.
 * @typedef {object} Result
 * @property {string} name
 * @property {"xor" | "pq"} kind
 * @property {"cache" | "memory"} place
 * @property {number} unitBytes
 * @property {number} dataBlocks
 * @property {Record<string, number>} gigabytesPerSecond Of data, by contender.
 * @property {number} ratioToIsal
 * @property {number[]} turns The same ratio of single turns.
 */

/**
 * @param {"cache" | "memory"} place
 * @param {number} unitBytes
 * @param {number} dataBlocks
 * @returns {Result[]}
 */
function measure(place, unitBytes, dataBlocks) {
  const rowCount =
    place === "cache" ? 1 : Math.floor(WALKED_BYTES / (unitBytes * (dataBlocks + 2)));
  const rows = Array.from({ length: rowCount }, () => makeRow(arena, unitBytes, dataBlocks));
  checkSame(/** @type {Row} */ (rows[0]));
  const results = /** @type {const} */ (["xor", "pq"]).map((kind) => {
    const turns = race(CONTENDERS[kind], rows, unitBytes * dataBlocks);
    const figures = Object.fromEntries(
      Object.entries(turns).map(([who, all]) => [who, median(all)]),
    );
    const ratios = (turns["holdfast"] ?? []).map((own, i) => own / (turns["isal"]?.[i] ?? 0));
    const where = place === "cache" ? "in cache" : "from memory";
    const name = `${kind === "xor" ? "xor" : "P+Q"} ${dataBlocks} x ${unitBytes / KIB} KiB ${where}`;
    const ratioToIsal = (figures["holdfast"] ?? 0) / (figures["isal"] ?? 0);
    return {
      name,
      kind,
      place,
      unitBytes,
      dataBlocks,
      gigabytesPerSecond: figures,
      ratioToIsal,
      turns: ratios,
    };
  });
  for (const row of rows) for (const each of [row.p, row.q, ...row.data]) arena.give(each);
  return results;
}

/**
 * In cache, a call for units of 4 KiB is over so soon that it is about the cost of calls.
 * @param {Result} result
 */
function hasGoal({ place, unitBytes }) {
  return place === "memory" || unitBytes >= 64 * KIB;
}

/** @param {Result} result */
function line(result) {
  const { name, kind, place, gigabytesPerSecond, ratioToIsal } = result;
  const figures = Object.entries(gigabytesPerSecond).map(
    ([who, figure]) => `${who} ${figure.toFixed(1).padStart(5)}`,
  );
  const goal = GOALS[kind][place];
  const verdict = hasGoal(result) ? (ratioToIsal >= goal ? `met ${goal}` : `MISSED ${goal}`) : "";
  return `${name.padEnd(28)} ${figures.join("  ")}  ratio ${ratioToIsal.toFixed(2)}  ${verdict}`;
}

/** @type {Result[]} */
const results = [];
for (const place of /** @type {const} */ (["cache", "memory"])) {
  for (const unit of unitsToMeasure) {
    for (const data of DATA_BLOCKS) {
      const measured = measure(place, unit, data);
      results.push(...measured);
      if (!values.json) for (const each of measured) console.log(line(each));
    }
  }
}
console.log(
  JSON.stringify({
    kernels: kernels.name,
    node: process.version,
    results: results.filter((each) => hasGoal(each)),
    withoutGoal: results.filter((each) => !hasGoal(each)),
  }),
);
