/**
 * snapshot-merge: a snapshot that goes back into its origin, chunk by chunk, while it is used; it takes the place of snapshot and of snapshot-origin.
 * The words are those of snapshot. It is done when the status counts nothing but metadata; then a table of the origin alone takes its place.
 *
 * Facts: drivers/md/dm-snap.c [snapshot_merge_map, snapshot_merge_next_chunks].
 */
import { assert } from "../../../base/assert.ts";
import { toHoldfastError } from "../../../base/errors.ts";
import { flushBio } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import { copySectors } from "../../../block/copy-sectors.ts";
import { fanOut } from "../../../block/fan-out.ts";
import { ended, flush } from "../../../block/promises.ts";
import type { TargetContext, TargetType } from "../../target.ts";
import type { ChunkRun } from "../snapshot/exception-store.ts";
import { originOf } from "../snapshot/origin.ts";
import type { Origin } from "../snapshot/origin.ts";
import { SnapshotBase, invalidError } from "../snapshot/snapshot-base.ts";
import { readSnapshotLine } from "../snapshot/snapshot-words.ts";
import type { SnapshotLine } from "../snapshot/snapshot-words.ts";

class SnapshotMergeTarget extends SnapshotBase {
  readonly isMerge = true;
  readonly #origin: Origin;
  /** What is on its way into the origin now, and the writes that wait for it. */
  #run: ChunkRun | null = null;
  readonly #queued: Bio[] = [];
  #isStopping = false;
  #merging: Promise<void> = Promise.resolve();

  constructor(line: SnapshotLine, context: TargetContext) {
    super(line, context);
    this.#origin = originOf(context, line.origin);
  }

  /** Writes go to the origin, for the other snapshots of it. */
  get splitSectors(): number {
    return Math.min(this.#origin.minChunkSectors || Infinity, this.state.chunkSectors);
  }

  submit(bio: Bio): void {
    switch (bio.op) {
      case "flush":
        this.#flush(bio);
        return;
      case "read":
      case "write":
        this.#map(bio);
        return;
      case "discard":
        bio.end(null);
        return;
      case "write-zeroes":
        assert(false, "a device without it takes none");
    }
  }

  #flush(bio: Bio): void {
    const one = fanOut(2, (error) => bio.end(error));
    for (const { device } of this.devices) device.submit(flushBio(one));
  }

  #map(bio: Bio): void {
    const { state } = this;
    const chunk = this.chunkOf(bio);
    const newChunk = state.isValid ? state.exceptions.get(chunk) : undefined;
    if (newChunk === undefined) this.#passToOrigin(bio);
    else if (bio.op === "read") this.passToCow(bio, newChunk);
    else if (this.#isMoving(chunk)) this.#queued.push(bio);
    else {
      state.tracked.add(chunk);
      this.passToCow(bio, newChunk);
    }
  }

  protected override endedAtCow(bio: Bio): void {
    if (bio.op === "write") this.state.tracked.remove(this.chunkOf(bio));
  }

  #passToOrigin(bio: Bio): void {
    const pass = (): void => this.toOrigin.pass(bio, bio.sector);
    if (bio.op === "read") pass();
    else this.#origin.beforeWrite(bio.sector, bio.sectors, pass, this.state);
  }

  #isMoving(chunk: number): boolean {
    const run = this.#run;
    return run !== null && chunk >= run.oldChunk && chunk < run.oldChunk + run.chunks;
  }

  override resume(): void {
    super.resume();
    this.#isStopping = false;
    if (!this.state.hasMergeFailed) this.#merging = this.#mergeAll();
  }

  presuspend(): void {
    this.#isStopping = true;
  }

  override async postsuspend(): Promise<void> {
    await this.#merging;
    await super.postsuspend();
  }

  async #mergeAll(): Promise<void> {
    try {
      while (!this.#isStopping) {
        if (!this.state.isValid) throw invalidError(this.name);
        const run = await this.state.store.lastRun();
        if (run === null) return;
        await this.#merge(run);
      }
    } catch (error) {
      this.state.hasMergeFailed = true;
      this.use.changed(`the merge has failed: ${toHoldfastError(error).message}`);
      this.#run = null;
      for (const bio of this.#queued.splice(0)) bio.end(toHoldfastError(error));
    }
  }

  /**
   * 1 the other snapshots have what the origin holds there, 2 no write to these chunks is under way, 3 copy, 4 flush the origin, 5 exceptions out of
   * the store: a crash before 5 has ended leaves them in, and they are copied again; a crash after 4 finds them in the origin.
   */
  async #merge(run: ChunkRun): Promise<void> {
    const { state } = this;
    const origin = this.line.origin.device;
    const cow = this.line.cow.device;
    const from = run.newChunk * state.chunkSectors;
    const to = run.oldChunk * state.chunkSectors;
    const sectors = Math.min(run.chunks * state.chunkSectors, origin.sectors - to);
    await new Promise<void>((go) => this.#origin.beforeWrite(to, sectors, go, state));
    this.#run = run;
    await new Promise<void>((go) => state.tracked.whenNone(run.oldChunk, run.chunks, go));
    await ended((end) => copySectors(cow, from, origin, to, sectors, end));
    await flush(origin);
    await state.store.removeLast(run.chunks);
    for (let chunk = run.oldChunk; chunk < run.oldChunk + run.chunks; chunk += 1)
      state.exceptions.delete(chunk);
    this.#run = null;
    for (const bio of this.#queued.splice(0)) this.submit(bio);
  }
}

export const SNAPSHOT_MERGE: TargetType = {
  name: "snapshot-merge",
  version: [1, 5, 0],
  isSingleton: false,
  construct: async (context, words) => {
    const line = await readSnapshotLine(context, words, true);
    if (line.kind === "N") throw words.wrong("only a persistent snapshot can be merged");
    return new SnapshotMergeTarget(line, context).join(context);
  },
};
