/**
 * `npm start`: from a fresh clone to two example volumes served over NBD. Installs and builds what is missing, unpacks the bundled
 * disks below the user's cache folder, runs `holdfast open` on them in the foreground, and says what to try next.
 * Ctrl-C or SIGTERM stops it.
 */
import { mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { ended, start, stopOnSignals } from "./children.mjs";
import { listExamples, unpackExample } from "./examples.mjs";
import { ensureInstalled, ROOT } from "./setup.mjs";

/** @typedef {import("./examples.mjs").Example} Example */
/** @typedef {{ name: string, uri: string, sizeBytes: number, report: { level: string, state: string } }} Served Of `holdfast open --json`. */

/** Where the examples go: kept for next time, if possible. */
function examplesFolder() {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  for (const base of [cache, tmpdir()]) {
    const folder = join(base, "holdfast", "examples");
    try {
      mkdirSync(folder, { recursive: true });
      return folder;
    } catch {
      // A home that cannot be written: the temporary folder is next.
    }
  }
  throw new Error(`No folder for the examples: neither ${cache} nor ${tmpdir()} can be written.`);
}

/**
 * Serves the folders until it is told to stop.
 * @param {readonly string[]} folders
 * @param {(volumes: readonly Served[]) => void} whenReady
 * @returns {Promise<number>} The exit code.
 */
async function serve(folders, whenReady) {
  const program = join(ROOT, "dist", "holdfast.cjs");
  const child = start(process.execPath, [program, "open", "--json", ...folders], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const event = JSON.parse(line);
      if (event.event === "ready") whenReady(event.volumes);
    });
  }
  return ended(child);
}

/**
 * @param {string} folder
 * @param {readonly Example[]} examples
 * @param {readonly Served[]} volumes
 */
function describe(folder, examples, volumes) {
  const holdfast = relative(process.cwd(), join(ROOT, "bin", "holdfast"));
  const nas = volumes.find(({ name }) => name === "nas");
  return [
    `Two sets of disks that the Linux kernel wrote, in ${folder}:`,
    ...examples.map(({ name, summary }) => `  ${name.padEnd(8)} ${summary}`),
    "",
    "Opened read-only and served over NBD:",
    ...volumes.map(
      ({ name, uri, sizeBytes, report }) =>
        `  ${name.padEnd(8)} ${report.level}, ${report.state}, ${sizeBytes / 1024 / 1024} MiB\n           ${uri}`,
    ),
    "",
    "Try in another terminal:",
    `  ${holdfast} ls ${join(folder, "nas")} --volume nas /photos`,
    `  ${holdfast} examine --explain ${join(folder, "archive")}`,
    ...(nas === undefined ? [] : [`  nbdinfo '${nas.uri}'`]),
    "",
    "Ctrl-C stops it.",
  ].join("\n");
}

async function main() {
  await ensureInstalled();
  const { build } = await import("./build.mjs");
  await build();
  const folder = examplesFolder();
  const examples = listExamples();
  const folders = examples.map((example) => {
    const path = join(folder, example.name);
    unpackExample(example, path);
    return path;
  });
  return serve(folders, (volumes) => console.log(describe(folder, examples, volumes)));
}

// It was asked to stop, and did.
stopOnSignals(() => process.exit(0));
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
