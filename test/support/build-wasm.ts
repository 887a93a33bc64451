/** Before any test file is loaded: the kernels' bytes, which are not in git. */
import { buildWasm } from "../../scripts/wasm.mjs";

export function setup(): void {
  buildWasm();
}
