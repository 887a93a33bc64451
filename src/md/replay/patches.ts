/** Pieces of a replayed log, and how they come to lie over a device. */
import type { BlockDevice } from "../../block/device.ts";
import { writeSectors } from "../../block/promises.ts";
import { readOnly } from "../../block/read-only.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import { OverlayDevice } from "../../devices/overlay.ts";
import type { MdCandidate } from "../candidate.ts";

/** Sectors that lie over a device. */
export interface Patch {
  readonly sector: number;
  readonly data: Uint8Array;
}

/** What one log had to say. */
export interface Replay {
  /** By member; device sectors. Later patches cover earlier ones. */
  readonly members: ReadonlyMap<MdCandidate, readonly Patch[]>;
  /** Volume sectors. */
  readonly volume: readonly Patch[];
  readonly notes: readonly string[];
}

export const NOTHING_TO_REPLAY: Replay = { members: new Map(), volume: [], notes: [] };

/** A read-only device that shows the patches, later ones over earlier ones, and `base` everywhere else. It borrows `base`. */
export async function layOver(base: BlockDevice, patches: readonly Patch[]): Promise<BlockDevice> {
  if (patches.length === 0) return base;
  const store = new MemoryDevice({ name: `replayed log of ${base.name}`, sectors: base.sectors });
  const overlay = new OverlayDevice(base, store);
  for (const patch of patches) await writeSectors(overlay, patch.sector, patch.data);
  return readOnly(overlay);
}
