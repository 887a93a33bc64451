/**
 * The parity kernels for an arena: WebAssembly's where the machine can run them, else the plain ones.
 */
import type { Arena } from "../base/arena.ts";
import { webAssembly } from "../base/webassembly.ts";
import type { ParityKernels } from "./kernels.ts";
import { oracleKernels } from "./oracle.ts";
import { SimdKernels } from "./simd/kernels.ts";
import type { SimdModule } from "./simd/kernels.ts";
import { MODULE_BASE64 } from "./simd/module.ts";
import { warmUp } from "./simd/warm-up.ts";

/** Ready for use at full speed. `name` says which they are and, for the plain ones, why. */
export function createParityKernels(arena: Arena | null): ParityKernels {
  if (arena === null || webAssembly === undefined) {
    return { ...oracleKernels, name: "plain (there is no WebAssembly)" };
  }
  let wasm: SimdModule;
  try {
    const compiled = new webAssembly.Module(Buffer.from(MODULE_BASE64, "base64"));
    const instance = new webAssembly.Instance(compiled, { env: { memory: arena.memory } });
    wasm = instance.exports as SimdModule;
  } catch (error) {
    // Before SSE4.1 a processor has no SIMD that V8 can use; compiling fails then.
    const reason = error instanceof Error ? error.message : String(error);
    return { ...oracleKernels, name: `plain (${reason})` };
  }
  warmUp(wasm, arena.memory.buffer);
  return new SimdKernels(arena, wasm);
}
