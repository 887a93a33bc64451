/**
 * Compiles the AssemblyScript kernels of src/parity/simd/assembly to src/parity/simd/module.ts: the bytes of the WebAssembly module as
 * TypeScript, so that bundles, tests and scripts get them by an ordinary import and there is no file to lose.
 *
 * The result is not in git. It carries the hash of what it was made from; nothing is done while that is the same.
 * `npm run build`, `npm run check` and vitest call this first.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, "src/parity/simd");
const ASSEMBLY = join(FOLDER, "assembly");
const RESULT = join(FOLDER, "module.ts");
const COMPILER = join(ROOT, "node_modules/assemblyscript");

const ARGUMENTS = [
  "--optimizeLevel=3",
  "--shrinkLevel=0",
  "--enable=simd",
  "--runtime=stub",
  // The arena's.
  "--importMemory",
  "--noExportMemory",
  "--initialMemory=1",
  // An assertion would need an import.
  "--use=abort=",
];

/**
 * Brings module.ts up to date.
 * @returns {boolean} False when there was nothing to do.
 */
export function buildWasm() {
  const mark = `// Made by scripts/wasm.mjs from ${hashOfInputs()}`;
  if (existsSync(RESULT) && readFileSync(RESULT, "utf8").startsWith(`${mark}\n`)) return false;
  const text = compile().toString("base64");
  // Another build may be under way; both write the same.
  const temporary = `${RESULT}.${process.pid}`;
  writeFileSync(temporary, `${mark}\n\nexport const MODULE_BASE64 =\n  "${text}";\n`);
  renameSync(temporary, RESULT);
  return true;
}

function hashOfInputs() {
  const { version } = JSON.parse(readFileSync(join(COMPILER, "package.json"), "utf8"));
  const names = readdirSync(ASSEMBLY).toSorted();
  const texts = names.map((name) => [name, readFileSync(join(ASSEMBLY, name), "utf8")]);
  const what = JSON.stringify([version, ARGUMENTS, texts]);
  return createHash("sha256").update(what).digest("hex");
}

/**
 * The compiler is run, not imported: its types declare AssemblyScript's own Array, Map and so on for everyone.
 * @returns {Buffer}
 */
function compile() {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-wasm-"));
  const out = join(folder, "module.wasm");
  try {
    const asc = join(COMPILER, "bin/asc.js");
    execFileSync(process.execPath, [asc, "kernels.ts", "--outFile", out, ...ARGUMENTS], {
      cwd: ASSEMBLY,
      stdio: ["ignore", "inherit", "inherit"],
    });
    return readFileSync(out);
  } catch (error) {
    throw new Error("the parity kernels do not compile, see above", { cause: error });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
