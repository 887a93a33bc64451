/**
 * `node bench/serve.mjs ro|rw SOCKET FILE` or `... SOCKET --concise=DEVICES --volume=NAME`: serves a file as it is, or a mapped device, in a
 * thread of its own as `holdfast open` does (serve-worker.ts). So what is between a mapped device and its file is all that two such
 * servers differ in.
 */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { buildWasm } from "../scripts/wasm.mjs";

buildWasm();

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("serve-worker.ts", import.meta.url))],
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20.19",
  external: ["koffi"],
  // From there packages are looked for.
  define: { "import.meta.url": JSON.stringify(import.meta.url) },
  write: false,
});
const code = outputFiles.map(({ text }) => text).join("");
const worker = new Worker(code, { eval: true, workerData: process.argv.slice(2) });
process.on("SIGTERM", () => worker.postMessage("stop"));
worker.on("exit", (status) => process.exit(status));
