/**
 * The part of WebAssembly's JavaScript interface that is used here: TypeScript knows it only together with a browser's whole
 * world. Source: https://webassembly.github.io/spec/js-api/
 */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export interface WebAssemblyApi {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: unknown };
}

/** Undefined where Node runs without it (`--jitless`). */
export const webAssembly = (globalThis as { WebAssembly?: WebAssemblyApi }).WebAssembly;

export const WASM_PAGE_BYTES = 64 * 1024;
