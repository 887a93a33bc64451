/**
 * Bios that begin or end inside a block: a tag is of a whole one. Reads take the blocks around; writes read them, put the sectors between and write
 * them, while no other write of these blocks is under way; discards leave out what is not a whole block.
 */
import { SECTOR_BYTES, alignDown, alignUp } from "../../../base/units.ts";
import { discardBio, readBio, writeBio } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import { RangeLock } from "../../../block/range-lock.ts";
import type { RangeHold } from "../../../block/range-lock.ts";

export class PartialBlocks {
  readonly #blockSectors: number;
  readonly #submit: (bio: Bio) => void;
  readonly #lock = new RangeLock();

  /** @param submit takes bios of whole blocks */
  constructor(blockSectors: number, submit: (bio: Bio) => void) {
    this.#blockSectors = blockSectors;
    this.#submit = submit;
  }

  submit(bio: Bio): void {
    const isWhole = bio.sector % this.#blockSectors === 0 && bio.sectors % this.#blockSectors === 0;
    if (bio.op === "write") this.#write(bio, isWhole);
    else if (isWhole || bio.op === "flush") this.#submit(bio);
    else if (bio.op === "read") this.#read(bio);
    else this.#discard(bio);
  }

  #around({ sector, sectors }: Bio): { readonly from: number; readonly to: number } {
    const from = alignDown(sector, this.#blockSectors);
    return { from, to: alignUp(sector + sectors, this.#blockSectors) };
  }

  #read(bio: Bio): void {
    const { from, to } = this.#around(bio);
    const blocks = new Uint8Array((to - from) * SECTOR_BYTES);
    const at = (bio.sector - from) * SECTOR_BYTES;
    this.#submit(
      readBio(from, blocks, (error) => {
        if (error === null) bio.data.set(blocks.subarray(at, at + bio.data.length));
        bio.end(error);
      }),
    );
  }

  #write(bio: Bio, isWhole: boolean): void {
    const { from, to } = this.#around(bio);
    this.#lock.lock(from, to - from, isWhole ? "shared" : "exclusive", (hold) => {
      if (isWhole) this.#put(bio, from, bio.data, hold);
      else this.#merge(bio, from, to, hold);
    });
  }

  #merge(bio: Bio, from: number, to: number, hold: RangeHold): void {
    const blocks = new Uint8Array((to - from) * SECTOR_BYTES);
    this.#submit(
      readBio(from, blocks, (error) => {
        if (error !== null) {
          this.#lock.release(hold);
          bio.end(error);
          return;
        }
        blocks.set(bio.data, (bio.sector - from) * SECTOR_BYTES);
        this.#put(bio, from, blocks, hold);
      }),
    );
  }

  #put(bio: Bio, from: number, data: Uint8Array, hold: RangeHold): void {
    this.#submit(
      writeBio(from, data, bio.flags, (error) => {
        this.#lock.release(hold);
        bio.end(error);
      }),
    );
  }

  #discard(bio: Bio): void {
    const from = alignUp(bio.sector, this.#blockSectors);
    const to = alignDown(bio.sector + bio.sectors, this.#blockSectors);
    if (from >= to) bio.end(null);
    else this.#submit(discardBio(from, to - from, (error) => bio.end(error)));
  }
}
