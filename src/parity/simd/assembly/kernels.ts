/** What the module exports. AssemblyScript, not TypeScript: compiled by scripts/wasm.mjs, used by ../kernels.ts alone. */
import { compare } from "./compare.ts";
import { crc32c, prepareCrc32c } from "./crc32c.ts";
import { mul, pq, solveTwo } from "./field.ts";
import {
  DIFFERENCE,
  MAX_SOURCES,
  MORE_DOUBLINGS,
  PIECE_BYTES,
  PIECE_P,
  PIECE_Q,
  PRODUCTS,
  SOURCES,
} from "./layout.ts";
import { MAX_VERIFIED, VERIFY_STEP, verify } from "./verify.ts";
import { xor } from "./xor.ts";

export {
  DIFFERENCE,
  MAX_SOURCES,
  MAX_VERIFIED,
  MORE_DOUBLINGS,
  PIECE_BYTES,
  PIECE_P,
  PIECE_Q,
  PRODUCTS,
  SOURCES,
  VERIFY_STEP,
  compare,
  crc32c,
  mul,
  pq,
  prepareCrc32c,
  solveTwo,
  verify,
  xor,
};
