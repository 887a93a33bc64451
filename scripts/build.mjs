/**
 * `npm run build`: bundles src/bin into dist/.
 *
 *   dist/holdfast.cjs         the entry, a few KiB without any import, since most of a short command's time is loading
 *   dist/engine-worker.cjs    what the engine's thread runs, as one file of CommonJS: it starts 15 ms earlier than
 *                             modules in chunks do, and clients wait for it
 *   dist/array-engine-worker.cjs   the same with arrays that run, for the daemon
 *   dist/run.mjs              everything else, as ES modules; what is imported dynamically becomes a chunk that is
 *   dist/chunks/*.mjs         loaded only when needed
 *   dist/build.json           what went in (each file's sha256) and what came out
 *
 * The WebAssembly module goes in as TypeScript (wasm.mjs). Nothing is done when no input changed. Files are written under another name and renamed, and only then are old
 * chunks removed, so that a program that starts meanwhile finds whole files. Packages in EXTERNAL are loaded from node_modules
 * at run time: they bring native files along.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWasm } from "./wasm.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(ROOT, "dist");
const RECORD = join(DIST, "build.json");
const EXTERNAL = ["koffi"];
/** Beside the bundled files themselves: what says how they are bundled. */
const ALWAYS_INPUTS = ["scripts/build.mjs", "package-lock.json", "tsconfig.json"];

/**
 * Brings dist/ up to date.
 * @returns {Promise<boolean>} False when there was nothing to do.
 */
export async function build() {
  const compiled = buildWasm();
  if (!compiled && isUpToDate()) return false;
  const esbuild = await import("esbuild");
  /** @type {import("esbuild").BuildOptions} */
  const common = {
    absWorkingDir: ROOT,
    bundle: true,
    platform: "node",
    outdir: "dist",
    sourcemap: "linked",
    sourcesContent: false,
    metafile: true,
    write: false,
    legalComments: "none",
    logLevel: "warning",
  };
  const results = await Promise.all([
    esbuild.build({
      ...common,
      entryPoints: { holdfast: "src/bin/holdfast.ts" },
      format: "cjs",
      // So old a Node must still be able to parse it that it can say it is too old.
      target: "node12.20",
      outExtension: { ".js": ".cjs" },
      plugins: [leaveForLater(/^\.\/run\.ts$/, "./run.mjs")],
    }),
    esbuild.build({
      ...common,
      entryPoints: {
        "engine-worker": "src/bin/engine-worker.ts",
        "array-engine-worker": "src/bin/array-engine-worker.ts",
      },
      format: "cjs",
      target: "node20.19",
      outExtension: { ".js": ".cjs" },
      external: EXTERNAL,
      // CommonJS has another word for it.
      define: { "import.meta.url": "bundleUrl" },
      banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
    }),
    esbuild.build({
      ...common,
      entryPoints: { run: "src/bin/run.ts" },
      format: "esm",
      target: "node20.19",
      splitting: true,
      outExtension: { ".js": ".mjs" },
      chunkNames: "chunks/[name]-[hash]",
      external: EXTERNAL,
      // CommonJS packages inside the bundle ask for Node's own modules by `require`.
      banner: {
        js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);',
      },
    }),
  ]);
  const outputs = results.flatMap((result) => result.outputFiles ?? []);
  writeOutputs(outputs);
  writeRecord(
    results.flatMap((result) => Object.keys(result.metafile?.inputs ?? {})),
    outputs.map(({ path }) => relative(ROOT, path)),
  );
  return true;
}

/**
 * An import that stays an import, of another built file.
 * @param {RegExp} filter
 * @param {string} builtAs
 * @returns {import("esbuild").Plugin}
 */
function leaveForLater(filter, builtAs) {
  return {
    name: "leave-for-later",
    setup(bundler) {
      bundler.onResolve({ filter }, () => ({ path: builtAs, external: true }));
    },
  };
}

/** @param {readonly { path: string, contents: Uint8Array }[]} outputs */
function writeOutputs(outputs) {
  for (const { path, contents } of outputs) {
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, contents);
    renameSync(temporary, path);
  }
  const wanted = new Set([RECORD, ...outputs.map(({ path }) => path)]);
  for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // Another build may be under way: its temporary files are its own.
    const isStale = entry.isFile() && !wanted.has(path) && !/\.\d+$/.test(entry.name);
    if (isStale) rmSync(path, { force: true });
  }
}

/**
 * @param {readonly string[]} bundled Files that went in.
 * @param {readonly string[]} outputs Files that came out.
 */
function writeRecord(bundled, outputs) {
  const inputs = [...new Set([...ALWAYS_INPUTS, ...bundled])].toSorted();
  const hashes = Object.fromEntries(inputs.map((path) => [path, hashOf(path)]));
  writeFileSync(RECORD, JSON.stringify({ inputs: hashes, outputs }, null, 1));
}

/** A file that is new is imported by one that has changed, so the known inputs are enough to look at. */
function isUpToDate() {
  if (!existsSync(RECORD)) return false;
  /** @type {{ inputs: Record<string, string>, outputs: string[] }} */
  const { inputs, outputs } = JSON.parse(readFileSync(RECORD, "utf8"));
  return (
    outputs.every((path) => existsSync(join(ROOT, path))) &&
    Object.entries(inputs).every(([path, hash]) => hashOf(path) === hash)
  );
}

/** @param {string} path */
function hashOf(path) {
  const file = join(ROOT, path);
  if (!existsSync(file)) return "";
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const started = performance.now();
  try {
    const built = await build();
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    console.log(built ? `built dist/ in ${seconds} s` : "dist/ is up to date");
  } catch (error) {
    // What esbuild finds in the sources it prints itself.
    if (!(error instanceof Error && "errors" in error)) throw error;
    process.exitCode = 1;
  }
}
