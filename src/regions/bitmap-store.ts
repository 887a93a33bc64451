/** Where a region tracker keeps its bits: md's write-intent bitmap on the members, dm-mirror's dirty log on a disk of its own. */

/** The bits as they are when they are asked for. */
export interface ChunkBits {
  /** ORs the bits of `chunks` chunks from `chunk` on into `into`, from bit `bit` on; 1 is dirty, least significant first. */
  setBits(chunk: number, chunks: number, into: Uint8Array, bit: number): void;
}

export interface BitmapStore {
  /** What the chunks cover; the last one may be shorter. */
  readonly sectors: number;
  readonly chunkSectors: number;
  readonly chunks: number;
  /** Bits that are written together; a multiple of 8. */
  readonly pageBits: number;
  /** Of page 0, those in front of chunk 0's. */
  readonly headBits: number;
  /**
   * Writes these pages as the bits are then or later; resolves when they are durable on every copy of the record that is left,
   * and it is durable who that is. Called again only when it is done. It rejects when no promise can be kept any more.
   */
  writePages(pages: readonly number[], bits: ChunkBits): Promise<void>;
  /** The same for all of them, in an order in which a crash never makes an older record look valid. */
  writeAll(bits: ChunkBits): Promise<void>;
  /**
   * Flushes every copy of the data. False when one could not be: then nothing is proven.
   */
  flushData(): Promise<boolean>;
  /** Bits are about to be cleared in memory: what the record says about its age must be written before them. */
  clearing(): void;
}
