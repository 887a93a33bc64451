/**
 * clone: a device that becomes a copy of another one while it is used. `METADATA DESTINATION SOURCE REGION-SECTORS [...]` (clone-words.ts)
 *
 *   reads ----> the source, where the region is not hydrated; else the destination
 *   writes ---> the destination, when the region is hydrated (hydration.ts): copied, or overwritten as a whole
 *   discards -> whole regions are hydrated by being forgotten; passed down to the destination
 *   flushes --> commits.ts: 1 the destination is flushed, 2 what is hydrated becomes durable on the metadata device
 *
 * Facts: docs/kernel/dm-clone.md.
 */
import { assert } from "../../../base/assert.ts";
import { HoldfastError } from "../../../base/errors.ts";
import { BioFlags, discardBio } from "../../../block/bio.ts";
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice, Extent } from "../../../block/device.ts";
import { ExtentList } from "../../../block/extents.ts";
import { Relay } from "../../../block/relay.ts";
import { METADATA_BLOCK_SECTORS } from "../../../formats/persistent-data.ts";
import { isBlank } from "../../../pdata/block-cache.ts";
import { quoteWord } from "../../table.ts";
import type {
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Words } from "../../words.ts";
import { CloneMetadata } from "./clone-metadata.ts";
import { cloneLimits, readCloneLine, readCloneMessage } from "./clone-words.ts";
import type { CloneLine } from "./clone-words.ts";
import { Commits } from "./commits.ts";
import { Hydration } from "./hydration.ts";
import { CLONE_PARTS } from "./parts.ts";
import type { CloneParts } from "./parts.ts";

/** Whose the metadata on a device is: one target's at a time. */
interface MetadataUse {
  by: CloneTarget | null;
}

class CloneTarget implements Target {
  readonly limits: TargetLimits;
  readonly splitSectors: number;
  readonly discardSplitSectors = 0;
  readonly devices: readonly TargetDevice[];
  readonly #line: CloneLine;
  readonly #use: MetadataUse;
  readonly #commits: Commits;
  readonly #hydration: Hydration;
  readonly #destination: BlockDevice;
  readonly #toSource: Relay;
  readonly #toDestination: Relay;
  readonly #passesDiscardsDown: boolean;
  /** Bios that have come and not ended. */
  #foreground = 0;
  #isSuspended = true;

  constructor(
    context: TargetContext,
    parts: CloneParts,
    line: CloneLine,
    metadata: CloneMetadata,
    use: MetadataUse,
  ) {
    const { source, destination, regionSectors } = line;
    this.#line = line;
    this.#use = use;
    this.devices = [line.metadata, destination, source];
    this.splitSectors = regionSectors;
    this.limits = cloneLimits(line);
    this.#destination = destination.device;
    this.#passesDiscardsDown = line.passesDiscardsDown && destination.device.limits.discard;
    const ended = (): void => void (this.#foreground -= 1);
    this.#toSource = new Relay(source.device, ended);
    this.#toDestination = new Relay(destination.device, ended);
    const sizes = { regionSectors, targetSectors: context.sectors };
    this.#commits = new Commits(
      {
        env: context.env,
        name: context.name,
        metadataDevice: line.metadata.device,
        destination: destination.device,
        sizes,
        isReadOnly: context.isReadOnly,
        event: () => context.event(),
      },
      metadata,
    );
    this.#hydration = new Hydration({
      timers: context.env.timers,
      sizes,
      destination: destination.device,
      copier: parts.copier(source.device, destination.device),
      commits: this.#commits,
      tuning: line.tuning,
      isInUse: () => this.#foreground > 0,
      again: (bio) => this.#route(bio),
      end: (bio, error) => this.#hydratedFor(bio, error),
    });
  }

  submit(bio: Bio): void {
    this.#foreground += 1;
    this.#route(bio);
  }

  #end(bio: Bio, error: HoldfastError | null): void {
    this.#foreground -= 1;
    bio.end(error);
  }

  #route(bio: Bio): void {
    if (this.#commits.mode === "fail") {
      this.#end(bio, this.#commits.refusal());
      return;
    }
    switch (bio.op) {
      case "flush":
        this.#flush(bio);
        return;
      case "read":
        (this.#isHydrated(bio) ? this.#toDestination : this.#toSource).pass(bio, bio.sector);
        return;
      case "write":
        this.#write(bio);
        return;
      case "discard":
        this.#discard(bio);
        return;
      case "write-zeroes":
        assert(false, "a device without it takes none");
    }
  }

  #regionOf({ sector }: Bio): number {
    return Math.floor(sector / this.splitSectors);
  }

  #isHydrated(bio: Bio): boolean {
    return this.#commits.regions.has(this.#regionOf(bio));
  }

  /** A commit that begins after the flush came flushes the destination: a second time would bring nothing. */
  #flush(bio: Bio): void {
    const { isNeeded, failure } = this.#commits;
    if (failure !== null) this.#end(bio, failure);
    else if (!isNeeded) this.#toDestination.pass(bio, 0);
    else
      this.#commits.commit((error, hasFlushed) => {
        if (error !== null || hasFlushed) this.#end(bio, error);
        else this.#toDestination.pass(bio, 0);
      });
  }

  #write(bio: Bio): void {
    const { mode } = this.#commits;
    if (this.#isHydrated(bio)) this.#writeHydrated(bio);
    else if (mode !== "write") this.#end(bio, this.#commits.refusal());
    else {
      const region = this.#regionOf(bio);
      if (!this.#hydration.wait(region, bio)) this.#hydration.hydrateFor(region, bio);
    }
  }

  /** 1 that the region is hydrated is durable, if the data is to be, 2 the data: after a crash it would not be looked for in the destination. */
  #writeHydrated(bio: Bio): void {
    const isFua = (bio.flags & BioFlags.fua) !== 0;
    if (!isFua || !this.#commits.isNeeded) this.#toDestination.pass(bio, bio.sector);
    else
      this.#commits.commit((error) => {
        if (error === null) this.#toDestination.pass(bio, bio.sector);
        else this.#end(bio, error);
      });
  }

  /** A bio that has overwritten its region, or could not get it. */
  #hydratedFor(bio: Bio, error: HoldfastError | null): void {
    const isFua = (bio.flags & BioFlags.fua) !== 0;
    if (error !== null || !isFua) this.#end(bio, error);
    else this.#commits.commit((failure) => this.#end(bio, failure));
  }

  /** Regions of which it covers a part stay as they are. What is copied to at the moment comes after the copy. */
  #discard(bio: Bio): void {
    const from = Math.ceil(bio.sector / this.splitSectors);
    const to = Math.floor((bio.sector + bio.sectors) / this.splitSectors);
    if (from >= to) {
      this.#end(bio, null);
      return;
    }
    const underWay = this.#hydration.underWay(from, to);
    if (underWay !== undefined) {
      this.#hydration.wait(underWay, bio);
      return;
    }
    const { regions } = this.#commits;
    const isHydrated = regions.nextUnhydrated(from, to) === to || this.#commits.mark(from, to);
    if (!isHydrated || !this.#passesDiscardsDown) this.#end(bio, null);
    else {
      const sector = from * this.splitSectors;
      const sectors = (to - from) * this.splitSectors;
      this.#destination.submit(discardBio(sector, sectors, (error) => this.#end(bio, error)));
    }
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    const { regions } = this.#commits;
    const list = new ExtentList(sector, maxExtents);
    const end = sector + sectors;
    while (list.end < end) {
      const region = Math.floor(list.end / this.splitSectors);
      const last = regions.runEnd(region, Math.ceil(end / this.splitSectors));
      const until = Math.min(end, last * this.splitSectors);
      const { device } = regions.has(region) ? this.#line.destination : this.#line.source;
      for (const run of device.extents(list.end, until - list.end, maxExtents))
        if (!list.add(run.sectors, run.kind)) return list.extents;
    }
    return list.extents;
  }

  async status(flushes: boolean): Promise<string> {
    const commits = this.#commits;
    if (flushes && commits.mode === "write" && commits.isNeeded && !this.#isSuspended)
      await new Promise<void>((resolve) => commits.commit(() => resolve()));
    if (commits.mode === "fail") return "Fail";
    const { metadata, regions } = commits;
    const { isEnabled, thresholdRegions, batchRegions } = this.#line.tuning;
    const features = [
      ...(isEnabled ? [] : ["no_hydration"]),
      ...(this.#passesDiscardsDown ? [] : ["no_discard_passdown"]),
    ];
    return [
      METADATA_BLOCK_SECTORS,
      `${metadata.usedBlocks}/${metadata.blocks}`,
      this.splitSectors,
      `${regions.hydrated}/${regions.regions}`,
      this.#hydration.inFlight,
      features.length,
      ...features,
      `4 hydration_threshold ${thresholdRegions} hydration_batch_size ${batchRegions}`,
      commits.mode === "write" ? "rw" : "ro",
    ].join(" ");
  }

  table(): string {
    const ids = this.devices.map(({ id }) => quoteWord(id));
    return [...ids, ...this.#line.options].join(" ");
  }

  message(words: readonly string[]): Promise<string | null> {
    readCloneMessage(words, this.#line.tuning);
    this.#hydration.wake();
    return Promise.resolve(null);
  }

  presuspend(): void {
    this.#isSuspended = true;
    this.#hydration.stop();
  }

  /** 1 nothing is copied any more, 2 all that is hydrated is durable; if that cannot be, the last commit counts. */
  async postsuspend(): Promise<void> {
    await this.#hydration.quiet();
    await this.#commits.settle();
  }

  /** The first time the metadata is read anew: by then whoever used it before has let go of it. */
  async preresume(): Promise<void> {
    if (this.#use.by === this) return;
    if (this.#use.by !== null)
      throw new HoldfastError(
        "busy",
        `${this.#line.metadata.id} has the metadata of another clone, which is in use.`,
      );
    await this.#commits.reload();
    this.#use.by = this;
  }

  resume(): void {
    this.#isSuspended = false;
    this.#hydration.go();
  }

  close(): Promise<void> {
    if (this.#use.by === this) this.#use.by = null;
    return Promise.resolve();
  }
}

async function construct(context: TargetContext, words: Words, parts: CloneParts): Promise<Target> {
  const line = await readCloneLine(context, words);
  const { device, key } = line.metadata;
  const sizes = { regionSectors: line.regionSectors, targetSectors: context.sectors };
  // Where there is nothing but zeros metadata is made, as the kernel does when a table is loaded.
  if (!context.isReadOnly && (await isBlank(device))) await CloneMetadata.format(device, sizes);
  const metadata = await CloneMetadata.open(device, sizes);
  const use = context.shared<MetadataUse>(`clone ${key}`, () => ({ by: null }));
  return new CloneTarget(context, parts, line, metadata, use);
}

export function cloneType(parts: CloneParts): TargetType {
  return {
    name: "clone",
    version: [1, 0, 0],
    isSingleton: false,
    construct: (context, words) => construct(context, words, parts),
  };
}

export const CLONE = cloneType(CLONE_PARTS);
