/** Sectors laid over a device in memory, read-only: how a replayed log (md's, a file system's) comes to be seen. */
import type { BlockDevice } from "../block/device.ts";
import { writeSectors } from "../block/promises.ts";
import { readOnly } from "../block/read-only.ts";
import { MemoryDevice } from "./memory.ts";
import { OverlayDevice } from "./overlay.ts";

/** Sectors that lie over a device. */
export interface Patch {
  readonly sector: number;
  /** Whole sectors. */
  readonly data: Uint8Array;
}

/**
 * A read-only device that shows the patches, later ones over earlier ones, and `base` everywhere else; `base` itself if
 * there are none. It borrows `base`, holds whole 4 KiB blocks, and needs no closing.
 */
export async function layOver(
  base: BlockDevice,
  patches: Iterable<Patch> | AsyncIterable<Patch>,
): Promise<BlockDevice> {
  const store = new MemoryDevice({ name: `replayed log of ${base.name}`, sectors: base.sectors });
  const overlay = new OverlayDevice(base, store);
  for await (const patch of patches) await writeSectors(overlay, patch.sector, patch.data);
  return store.heldBytes === 0 ? base : readOnly(overlay);
}
