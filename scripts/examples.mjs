/** The bundled examples: what they are, and their disks as plain image files. Node built-ins only. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { ROOT } from "./setup.mjs";
import { writeSparse } from "./sparse.mjs";

const EXAMPLES = join(ROOT, "examples");

/**
 * @typedef {object} Example
 * @property {string} name
 * @property {string} summary
 * @property {string} madeBy Kernel and tools.
 * @property {readonly { image: string, bytes: number, sha256: string }[]} disks
 * @property {{ name: string, bytes: number, sha256: string }} volume What the kernel read from them.
 * @property {Readonly<Record<string, string>>} files Path in the file system -> sha256, as the kernel read them.
 */

/**
 * All of them, sorted by name.
 * @returns {Example[]}
 */
export function listExamples() {
  return readdirSync(EXAMPLES)
    .filter((name) => name.endsWith(".json"))
    .toSorted()
    .map((name) => JSON.parse(readFileSync(join(EXAMPLES, name), "utf8")));
}

/**
 * Unpacks an example's disks, except those that are there already with the right content.
 * @param {Example} example
 * @param {string} folder Made when it is missing.
 * @returns {string[]} The images' paths.
 */
export function unpackExample(example, folder) {
  mkdirSync(folder, { recursive: true });
  return example.disks.map(({ image, sha256 }) => {
    const path = join(folder, image);
    if (existsSync(path) && sha256Of(readFileSync(path)) === sha256) return path;
    const data = brotliDecompressSync(readFileSync(join(EXAMPLES, example.name, `${image}.br`)));
    if (sha256Of(data) !== sha256) {
      throw new Error(`examples/${example.name}/${image}.br is damaged: get the project anew.`);
    }
    // Renamed when whole: somebody may be reading the old one.
    const temporary = `${path}.${process.pid}`;
    rmSync(temporary, { force: true });
    writeSparse(temporary, data);
    renameSync(temporary, path);
    return path;
  });
}

/** @param {Uint8Array} data */
function sha256Of(data) {
  return createHash("sha256").update(data).digest("hex");
}
