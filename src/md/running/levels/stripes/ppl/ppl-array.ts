/** What the partial parity logs of all members of an array share. */
import { emptyPplHeader } from "../../../../../formats/md/ppl.ts";
import type { StripeGeometry } from "../../../../geometry/raid456.ts";
import type { ArrayCore } from "../../../core.ts";

export class PplArray {
  readonly core: ArrayCore;
  readonly geometry: StripeGeometry;
  /** 4 KiB. */
  readonly emptyHeader: Uint8Array;
  /** Goes up over all members' logs, from 1 at each start of the array: the areas are emptied before. */
  #generation = 0n;

  constructor(core: ArrayCore, geometry: StripeGeometry, arrayUuid: Uint8Array) {
    this.core = core;
    this.geometry = geometry;
    this.emptyHeader = emptyPplHeader(arrayUuid);
  }

  nextGeneration(): bigint {
    this.#generation += 1n;
    return this.#generation;
  }

  /** Array sector of the first data sector that is written at a member sector of a row. */
  dataSector(memberSector: number, dataIndex: number): number {
    const { chunkSectors, dataDisks } = this.geometry;
    const row = this.geometry.rowOfMemberSector(memberSector);
    return (row * dataDisks + dataIndex) * chunkSectors + (memberSector - row * chunkSectors);
  }
}
