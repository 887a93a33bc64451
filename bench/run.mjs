/** `npm run bench`: see main.ts. Installs npm's packages first and compiles the kernels, since that is TypeScript and imports them. */
import "../scripts/ts-hook.mjs";
import { ensureInstalled } from "../scripts/setup.mjs";

try {
  await ensureInstalled();
  const { buildWasm } = await import("../scripts/wasm.mjs");
  buildWasm();
  const { main } = await import("./main.ts");
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
