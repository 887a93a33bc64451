/** What the receives of all connections share: buffers, of which those of closed ones are kept up to a bound, and what the kernel knows. */

const BUFFER_BYTES = 128 * 1024;
const MAX_SPARE = 32;

export class ReceiveBuffers {
  /** Whether the kernel can wait for data without trying first (5.19); found out by trying. */
  knowsPollFirst = true;
  readonly #spare: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(BUFFER_BYTES);
  }

  /** The kernel must be done with it. */
  give(buffer: Uint8Array): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(buffer);
  }
}
