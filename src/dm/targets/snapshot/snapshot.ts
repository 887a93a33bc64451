/**
 * snapshot: a device as it was when the snapshot was made, which may itself be written. `ORIGIN COW-DEVICE P|PO|N CHUNK-SECTORS [COUNT FEATURE...]`
 *
 * What was written on either side since is in chunks of the COW device; all else is read from the origin.
 * Facts: drivers/md/dm-snap.c; docs/kernel/dm-snapshot.md has where this target differs.
 */
import { assert } from "../../../base/assert.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import { Bio, BioFlags, discardBio, writeBio } from "../../../block/bio.ts";
import type { BioEnd } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { ExtentList } from "../../../block/extents.ts";
import { fanOut } from "../../../block/fan-out.ts";
import { inZeroSteps } from "../../../block/zeros.ts";
import type { TargetType } from "../../target.ts";
import { SnapshotBase, invalidError } from "./snapshot-base.ts";
import { readSnapshotLine } from "./snapshot-words.ts";

/** Chunks that are looked at for one question about extents. */
const MAX_EXTENT_CHUNKS = 4096;

class SnapshotTarget extends SnapshotBase {
  readonly isMerge = false;

  get splitSectors(): number {
    return this.state.chunkSectors;
  }

  submit(bio: Bio): void {
    const { isValid, hasOverflowed } = this.state;
    switch (bio.op) {
      case "flush":
        this.toCow.pass(bio, 0);
        return;
      case "read":
        if (isValid) this.#read(bio);
        else this.#refuse(bio);
        return;
      case "write":
        if (isValid && !hasOverflowed) this.#write(bio);
        else this.#refuse(bio);
        return;
      case "discard":
        if (isValid && !hasOverflowed) this.#discard(bio);
        else this.#refuse(bio);
        return;
      case "write-zeroes":
        assert(false, "a device without it takes none");
    }
  }

  /** What lies in the COW device is that one's, all else the origin's. */
  override extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const { isValid, chunkSectors, exceptions } = this.state;
    if (!isValid) return super.extents(sector, sectors, maxExtents);
    const list = new ExtentList(sector, maxExtents);
    const last = sector + sectors;
    for (let looked = 0; list.end < last && looked < MAX_EXTENT_CHUNKS; looked += 1) {
      const chunk = Math.floor(list.end / chunkSectors);
      const end = Math.min(last, (chunk + 1) * chunkSectors);
      const newChunk = exceptions.get(chunk);
      const { device } = newChunk === undefined ? this.line.origin : this.line.cow;
      const moved = newChunk === undefined ? 0 : (newChunk - chunk) * chunkSectors;
      while (list.end < end)
        for (const run of device.extents(list.end + moved, end - list.end, maxExtents))
          if (!list.add(run.sectors, run.kind)) return list.extents;
    }
    return list.extents;
  }

  #refuse(bio: Bio): void {
    bio.end(invalidError(this.name));
  }

  #read(bio: Bio): void {
    const { exceptions, tracked } = this.state;
    const chunk = this.chunkOf(bio);
    const newChunk = exceptions.get(chunk);
    if (newChunk !== undefined) {
      this.passToCow(bio, newChunk);
      return;
    }
    tracked.add(chunk);
    const ended: BioEnd = (error) => {
      tracked.remove(chunk);
      // An invalid snapshot holds back no write to the origin: that may have come first.
      bio.end(this.state.isValid ? error : invalidError(this.name));
    };
    this.line.origin.device.submit(
      new Bio("read", bio.sector, bio.sectors, bio.data, bio.flags, ended),
    );
  }

  #write(bio: Bio): void {
    const { state } = this;
    const chunk = this.chunkOf(bio);
    const newChunk = state.exceptions.get(chunk);
    const again = (): void => this.submit(bio);
    if (newChunk !== undefined) this.passToCow(bio, newChunk);
    else if (!state.wait(chunk, again) && !this.#makeRoom(bio, chunk, again)) {
      state.overflow(() => this.#refuse(bio));
    }
  }

  /** A whole chunk is written at once instead of the origin's; its exception is committed, and so is the data, when the bio ends. */
  #makeRoom(bio: Bio, chunk: number, again: () => void): boolean {
    const { state } = this;
    if (bio.sectors < state.chunkSectors) return state.make(chunk, state.copy(chunk), again);
    const { cow } = this.line;
    return state.make(
      chunk,
      (sector, end) => cow.device.submit(writeBio(sector, bio.data, BioFlags.none, end)),
      () => bio.end(state.isValid ? null : invalidError(this.name)),
    );
  }

  /** What is not in the COW device is left alone; what is becomes zeros, a whole chunk at a time. */
  #discard(bio: Bio): void {
    const { origin, features } = this.line;
    const passesDown = features.has("discard_passdown_origin") && origin.device.limits.discard;
    const ended = fanOut(passesDown ? 2 : 1, (error) => bio.end(error));
    if (passesDown) origin.device.submit(discardBio(bio.sector, bio.sectors, ended));
    const newChunk = this.state.exceptions.get(this.chunkOf(bio));
    if (newChunk === undefined || bio.sectors < this.state.chunkSectors) ended(null);
    else this.#zero(newChunk, ended);
  }

  #zero(newChunk: number, end: BioEnd): void {
    const { chunkSectors } = this.state;
    const sector = newChunk * chunkSectors;
    const { device } = this.line.cow;
    inZeroSteps(
      chunkSectors * SECTOR_BYTES,
      (from, zeros, ended) =>
        device.submit(writeBio(sector + from / SECTOR_BYTES, zeros, BioFlags.none, ended)),
      end,
    );
  }
}

export const SNAPSHOT: TargetType = {
  name: "snapshot",
  version: [1, 16, 0],
  isSingleton: false,
  construct: async (context, words) => {
    const line = await readSnapshotLine(context, words, false);
    return new SnapshotTarget(line, context).join(context);
  },
};
