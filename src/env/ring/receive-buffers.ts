/** Buffers that connections receive into. Those of closed ones are kept for the next, up to a bound. */

const BUFFER_BYTES = 128 * 1024;
const MAX_SPARE = 32;

export class ReceiveBuffers {
  readonly #spare: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(BUFFER_BYTES);
  }

  /** The kernel must be done with it. */
  give(buffer: Uint8Array): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(buffer);
  }
}
