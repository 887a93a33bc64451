/** `node bench/profile.mjs [ARRAY [WORKLOAD]] [--variant holdfast-node]`: see profile.ts. */
import "../scripts/ts-hook.mjs";
import { buildWasm } from "../scripts/wasm.mjs";

try {
  buildWasm();
  const { main } = await import("./profile.ts");
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
