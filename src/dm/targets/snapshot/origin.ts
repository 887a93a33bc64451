/** What the snapshots of one origin share: a write to the origin waits until all of them have what it is about to overwrite. */
import { HoldfastError } from "../../../base/errors.ts";
import type { SnapshotState } from "./snapshot-state.ts";
import type { TargetContext, TargetDevice } from "../../target.ts";

export class Origin {
  readonly #snapshots = new Set<SnapshotState>();

  add(snapshot: SnapshotState): void {
    this.#snapshots.add(snapshot);
  }

  remove(snapshot: SnapshotState): void {
    this.#snapshots.delete(snapshot);
  }

  /** Of the snapshots; 0: there are none. */
  get minChunkSectors(): number {
    let min = 0;
    for (const { chunkSectors } of this.#snapshots)
      if (min === 0 || chunkSectors < min) min = chunkSectors;
    return min;
  }

  /** What a second one lacks the first would overwrite: nobody preserves anything for who is merged. @throws HoldfastError `busy` */
  checkMerge(snapshot: SnapshotState | null): void {
    for (const other of this.#snapshots)
      if (other !== snapshot && other.isMerging)
        throw new HoldfastError("busy", "Another snapshot is being merged into the same origin.");
  }

  /** Calls `write` when these sectors of the origin may be overwritten, perhaps at once. @param except that does not care */
  beforeWrite(
    sector: number,
    sectors: number,
    write: () => void,
    except: SnapshotState | null = null,
  ): void {
    let waits = 1;
    let isFree = true;
    const preserved = (): void => {
      waits -= 1;
      // Again from the start: a snapshot may have come meanwhile.
      if (waits === 0) this.beforeWrite(sector, sectors, write, except);
    };
    for (const snapshot of this.#snapshots) {
      if (snapshot === except || snapshot.isMerging) continue;
      const { chunkSectors } = snapshot;
      const end = Math.min(sector + sectors, snapshot.sectors);
      for (let chunk = Math.floor(sector / chunkSectors); chunk * chunkSectors < end; chunk += 1) {
        waits += 1;
        if (snapshot.preserve(chunk, preserved)) isFree = false;
        else waits -= 1;
      }
    }
    if (isFree) write();
    else preserved();
  }
}

export function originOf(context: TargetContext, { key }: TargetDevice): Origin {
  return context.shared(`snapshot origin ${key}`, () => new Origin());
}
