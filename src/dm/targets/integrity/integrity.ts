/**
 * integrity: a tag for every block, a hash of its data, which is looked at when it is read. `DEVICE START TAG-BYTES|- MODE COUNT OPTION...`
 * (integrity-words.ts)
 *
 *   submit --> partial-blocks.ts --> data-path.ts --> journal.ts --write-back.ts--> data, tag-buffers.ts
 *                                         '---------> bitmap.ts, then data, tag-buffers.ts
 *
 * What a crash left is put right when the table becomes live (activation.ts). Facts: docs/kernel/dm-integrity.md.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import { RangeLock } from "../../../block/range-lock.ts";
import { BITMAP_BLOCK_BYTES, INTEGRITY_SUPERBLOCK_SECTORS } from "../../../formats/dm-integrity.ts";
import type {
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Words } from "../../words.ts";
import { Activation } from "./activation.ts";
import type { Active } from "./activation.ts";
import type { BitmapCleaner } from "./bitmap-cleaner.ts";
import { BlockHash } from "./block-hash.ts";
import { DataPath } from "./data-path.ts";
import { readIntegrityLine } from "./integrity-words.ts";
import type { IntegrityLine } from "./integrity-words.ts";
import { JournalImage } from "./journal-image.ts";
import { sectorsPerBit, tagsStart } from "./layout.ts";
import { formatDevice, openDevice } from "./open-device.ts";
import type { OpenDevice } from "./open-device.ts";
import { PartialBlocks } from "./partial-blocks.ts";
import { INTEGRITY_PARTS } from "./made-parts.ts";
import type { IntegrityParts } from "./made-parts.ts";
import { Failure, flushed } from "./parts.ts";
import type { Parts } from "./parts.ts";
import { Recalculation } from "./recalculation.ts";
import { integrityTable } from "./table-line.ts";
import { TagBuffers } from "./tag-buffers.ts";

/** Longer bios go in parts: tags of one are in memory at a time. */
const MOST_SECTORS = 65_536;

/** Whose the metadata on a device is: one target's at a time. */
interface MetadataUse {
  by: IntegrityTarget | null;
}

/** While the table is live and not suspended. */
interface Running extends Active {
  readonly parts: Parts;
  readonly path: DataPath;
  readonly cleaner: BitmapCleaner | null;
  readonly recalculation: Recalculation;
}

class IntegrityTarget implements Target {
  readonly limits: TargetLimits;
  readonly splitSectors: number;
  readonly devices: readonly TargetDevice[];
  readonly #context: TargetContext;
  readonly #made: IntegrityParts;
  readonly #line: IntegrityLine;
  readonly #use: MetadataUse;
  readonly #failure: Failure;
  readonly #partial: PartialBlocks;
  #opened: OpenDevice;
  #running: Running | null = null;
  #mismatches = 0;

  constructor(
    context: TargetContext,
    made: IntegrityParts,
    line: IntegrityLine,
    opened: OpenDevice,
    use: MetadataUse,
  ) {
    const { data, meta, mode, sectorsPerBlock, switches } = line;
    this.#context = context;
    this.#made = made;
    this.#line = line;
    this.#opened = opened;
    this.#use = use;
    this.#failure = new Failure(context.env, context.name);
    this.devices = meta === null ? [data] : [data, meta];
    const { limits } = data.device;
    this.limits = {
      logicalBlockBytes: Math.max(limits.logicalBlockBytes, sectorsPerBlock * SECTOR_BYTES),
      optimalIoBytes: limits.optimalIoBytes,
      discard: switches.has("allow_discards") && limits.discard,
      writeZeroes: false,
    };
    this.splitSectors = splitSectorsOf(line, opened, mode === "bitmap");
    this.#partial = new PartialBlocks(sectorsPerBlock, (bio) => this.#submit(bio));
  }

  submit(bio: Bio): void {
    if (this.#line.sectorsPerBlock === 1) this.#submit(bio);
    else this.#partial.submit(bio);
  }

  /** Bios come while it is live: it runs, unless it had failed before. */
  #submit(bio: Bio): void {
    if (this.#running === null) bio.end(this.#failure.error);
    else this.#running.path.submit(bio);
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  status(): string {
    const { superblock, layout } = this.#opened;
    const recalculated = superblock.has("recalculating")
      ? superblock.values.recalculatedSectors
      : "-";
    return `${this.#mismatches} ${layout.dataSectors} ${recalculated}`;
  }

  table(): string {
    return integrityTable(this.#line, this.#opened);
  }

  async preresume(): Promise<void> {
    const { meta, data } = this.#line;
    if (this.#use.by !== null && this.#use.by !== this)
      throw new HoldfastError(
        "busy",
        `${(meta ?? data).id} has the tags of another target, which is in use.`,
      );
    // After an error that lost something only another table begins anew.
    if (this.#failure.error !== null) return;
    this.#use.by = this;
    await this.#reopen();
    const parts = this.#parts();
    const active = await new Activation(parts, this.#line, this.#made).run();
    this.#running = this.#runningWith(parts, active);
  }

  /** The table before may have changed what is in the superblock, but not where things are. */
  async #reopen(): Promise<void> {
    const before = this.#opened.layout;
    this.#opened = await openDevice(this.#context, this.#line);
    const { isNew, layout } = this.#opened;
    const { dataSectors, initialSectors, tagRunSectors } = layout;
    const isSame =
      (!isNew || this.#line.mode === "recovery") &&
      dataSectors === before.dataSectors &&
      initialSectors === before.initialSectors &&
      tagRunSectors === before.tagRunSectors;
    if (!isSame)
      throw new HoldfastError(
        "busy",
        `${this.#line.data.id} was formatted anew, or has another size than when the table was loaded; load it again.`,
      );
  }

  #parts(): Parts {
    const { hash, tagBytes, sectorsPerBlock, data, meta, mode } = this.#line;
    const { superblock, layout } = this.#opened;
    const { device } = meta ?? data;
    const salt = superblock.has("fixedHmac") ? superblock.values.salt : new Uint8Array(0);
    const { env, name, isReadOnly } = this.#context;
    return {
      env,
      name,
      mode,
      isReadOnly,
      layout,
      superblock,
      hash: new BlockHash(hash, tagBytes, sectorsPerBlock, salt),
      data: data.device,
      meta: device,
      buffers: new TagBuffers({
        device,
        startSector: tagsStart(layout),
        bufferSectors: layout.bufferSectors,
        dataDevice: meta === null ? null : data.device,
      }),
      lock: new RangeLock(),
      failure: this.#failure,
    };
  }

  #runningWith(parts: Parts, active: Active): Running {
    const { bitmap } = active;
    const { bitmapFlushMs, commitMs, switches } = this.#line;
    const cleaner = bitmap === null ? null : this.#made.cleaner(parts, bitmap, bitmapFlushMs);
    const path = new DataPath(parts, {
      ...active,
      cleaner,
      allowsDiscards: switches.has("allow_discards"),
      commitMs,
      mismatch: () => void (this.#mismatches += 1),
    });
    const unsure = bitmap === null || cleaner === null ? null : { bitmap, cleaner };
    return { ...active, parts, path, cleaner, recalculation: new Recalculation(parts, unsure) };
  }

  resume(): void {
    if (this.#context.isReadOnly || this.#line.mode === "recovery") return;
    this.#running?.recalculation.start();
  }

  /** 1 recalculation ends, 2 what is in the journal, or only in memory, comes to its place, 3 the journal area has an empty journal. */
  async postsuspend(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    const { parts, path, cleaner, recalculation, journal } = running;
    path.stop();
    await recalculation.stop();
    await cleaner?.stop();
    if (parts.isReadOnly || parts.mode === "recovery" || parts.failure.error !== null) return;
    await journal?.settle();
    await flushed(parts);
    if (parts.mode === "bitmap") await this.#replaceBitmap(parts);
  }

  /**
   * 1 all is flushed, 2 an empty journal, 3 the superblock says that there is no bitmap: a crash before 3 has something recalculated. All of it where
   * tags are still to be made: bytes of a journal do not say of which, so that no bits are to be trusted is written before 2.
   */
  async #replaceBitmap({ meta, layout, superblock }: Parts): Promise<void> {
    const { logBlocksPerBit } = superblock.values;
    if (superblock.hasTagsToMake) {
      superblock.distrustBits();
      await superblock.write(true);
    }
    const start = this.#line.startSector + INTEGRITY_SUPERBLOCK_SECTORS;
    const image = new JournalImage(meta, start, layout.journal);
    await image.writeCleared({ first: 0, count: layout.journal.sections }, 0);
    superblock.clear("dirtyBitmap");
    superblock.logBlocksPerBit = logBlocksPerBit;
    await superblock.write(true);
  }

  close(): Promise<void> {
    if (this.#use.by === this) this.#use.by = null;
    return Promise.resolve();
  }
}

/** Bios stay in one run of data, and in bitmap mode in what one block of the bitmap covers. */
function splitSectorsOf(line: IntegrityLine, { layout }: OpenDevice, hasBitmap: boolean): number {
  const bitmapSectors = sectorsPerBit(layout, line.bitSectors) * BITMAP_BLOCK_BYTES * 8;
  return Math.min(
    MOST_SECTORS,
    line.meta === null ? layout.interleaveSectors : MOST_SECTORS,
    hasBitmap ? bitmapSectors : MOST_SECTORS,
  );
}

async function construct(
  context: TargetContext,
  words: Words,
  made: IntegrityParts,
): Promise<Target> {
  const line = await readIntegrityLine(context, words);
  const opened = await openDevice(context, line);
  const { dataSectors } = opened.layout;
  if (context.sectors > dataSectors)
    throw words.wrong(
      `${line.data.id} has room for ${dataSectors} sectors of data, and ${context.sectors} are needed`,
      1,
    );
  if (context.sectors % line.sectorsPerBlock !== 0)
    throw words.wrong(`the target is not a multiple of ${line.sectorsPerBlock} sectors`, 4);
  // As kernels do when a table is loaded.
  if (opened.isNew && line.mode !== "recovery") await formatDevice(line, opened);
  const { key } = line.meta ?? line.data;
  const use = context.shared<MetadataUse>(`integrity ${key} ${line.startSector}`, () => ({
    by: null,
  }));
  return new IntegrityTarget(context, made, line, opened, use);
}

export function integrityType(made: IntegrityParts): TargetType {
  return {
    name: "integrity",
    version: [1, 13, 0],
    isSingleton: true,
    construct: (context, words) => construct(context, words, made),
  };
}

export const INTEGRITY = integrityType(INTEGRITY_PARTS);
