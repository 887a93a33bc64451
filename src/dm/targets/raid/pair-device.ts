/**
 * A metadata device and a data device as one: md knows members that have their metadata in front of their data.
 *
 *   0 the metadata device                 metadata.sectors     the data device
 */
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../../../block/device.ts";
import { fanOut } from "../../../block/fan-out.ts";
import { flushBio } from "../../../block/bio.ts";
import { refusal } from "../../../block/refuse.ts";
import { Relay } from "../../../block/relay.ts";
import { ignore } from "../../../base/nothing.ts";

export class PairDevice implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly #metadata: BlockDevice;
  readonly #data: BlockDevice;
  readonly #toMetadata: Relay;
  readonly #toData: Relay;

  constructor(metadata: BlockDevice, data: BlockDevice) {
    this.name = data.name;
    this.sectors = metadata.sectors + data.sectors;
    this.#metadata = metadata;
    this.#data = data;
    this.#toMetadata = new Relay(metadata, ignore);
    this.#toData = new Relay(data, ignore);
    const { logicalBlockBytes, readOnly } = metadata.limits;
    this.limits = {
      ...data.limits,
      logicalBlockBytes: Math.max(logicalBlockBytes, data.limits.logicalBlockBytes),
      readOnly: readOnly || data.limits.readOnly,
    };
  }

  /** Nothing that md does crosses from one to the other. */
  submit(bio: Bio): void {
    const refused = refusal(this, bio);
    if (refused !== null) bio.end(refused);
    else if (bio.op === "flush") {
      const ended = fanOut(2, bio.end);
      this.#metadata.submit(flushBio(ended));
      this.#data.submit(flushBio(ended));
    } else if (bio.sector < this.#metadata.sectors) this.#toMetadata.pass(bio, bio.sector);
    else this.#toData.pass(bio, bio.sector - this.#metadata.sectors);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const start = this.#metadata.sectors;
    if (sector < start)
      return [{ sector, sectors: Math.min(sectors, start - sector), kind: "data" }];
    return this.#data
      .extents(sector - start, sectors, maxExtents)
      .map((run) => ({ ...run, sector: run.sector + start }));
  }

  /** Both belong to the table. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
