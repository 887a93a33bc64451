/**
 * raid: md's levels on pairs of a metadata and a data device, by md's engine. A set runs from resume to suspend: then its bitmap is settled
 * and its superblocks are written, and at the next resume it is started anew, so devices that had failed and can be read again come back.
 *
 * Facts: docs/kernel/dm-raid.md.
 */
import { HoldfastError } from "../../../base/errors.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Extent } from "../../../block/device.ts";
import type { SyncWord } from "../../../md/running/sync-control.ts";
import { stripeBytes } from "../../../md/start.ts";
import type {
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import type { Words } from "../../words.ts";
import { parseRaid, raidTable } from "./arguments.ts";
import type { RaidArguments } from "./arguments.ts";
import { metadataSectors } from "./bitmap.ts";
import { raidGeometry } from "./geometry.ts";
import type { RaidGeometry } from "./geometry.ts";
import { findPairs, judgeSet } from "./judge.ts";
import type { Pair } from "./judge.ts";
import { MIN_JOURNAL_SECTORS } from "./journal.ts";
import { startRaid } from "./start.ts";
import type { StartedRaid } from "./start.ts";
import { actionOf, frozenStatus, newStatus, raidStatus } from "./status.ts";
import type { RaidView } from "./status.ts";

const ACTIONS: readonly SyncWord[] = ["idle", "frozen", "resync", "recover", "check", "repair"];

class RaidTarget implements Target {
  readonly splitSectors = 0;
  readonly devices: readonly TargetDevice[];
  readonly limits: TargetLimits;
  readonly #context: TargetContext;
  readonly #raid: RaidArguments;
  readonly #geometry: RaidGeometry;
  readonly #pairs: readonly Pair[];
  readonly #journal: TargetDevice | null;
  #started: StartedRaid | null = null;
  #isFirst = true;
  /** While it does not run. */
  #status: string;

  constructor(
    context: TargetContext,
    raid: RaidArguments,
    geometry: RaidGeometry,
    pairs: readonly Pair[],
    journal: TargetDevice | null,
  ) {
    this.#context = context;
    this.#raid = raid;
    this.#geometry = geometry;
    this.#pairs = pairs;
    this.#journal = journal;
    const devices = pairs.flatMap(({ metadata, data }) =>
      metadata === null ? [data] : [metadata, data],
    );
    this.devices = journal === null ? devices : [journal, ...devices];
    this.limits = limitsOf(geometry, pairs);
    this.#status = newStatus(this.#view);
  }

  get #view(): RaidView {
    return { raid: this.#raid, geometry: this.#geometry, pairs: this.#pairs };
  }

  submit(bio: Bio): void {
    this.#started!.managed.array.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return (
      this.#started?.managed.array.extents(sector, sectors, maxExtents) ?? [
        { sector, sectors, kind: "data" },
      ]
    );
  }

  status(): string {
    if (this.#started === null) return this.#status;
    const { managed, grownFromSectors } = this.#started;
    return raidStatus(this.#view, managed, grownFromSectors);
  }

  table(): string {
    const places = this.#raid.devices.map((_unused, index) => {
      const pair = this.#pairs.find((one) => one.index === index);
      return { metadata: pair?.metadata?.id ?? null, data: pair?.data.id ?? null };
    });
    const ids = { places, journal: this.#journal?.id ?? null };
    return raidTable(this.#raid, ids, this.#geometry.regionSectors);
  }

  async message(words: readonly string[]): Promise<null> {
    const action = ACTIONS.find((each) => each === words[0]?.toLowerCase());
    if (action === undefined || words.length !== 1)
      throw new HoldfastError(
        "usage",
        `raid: "${words.join(" ")}" is no message; there are ${ACTIONS.join(", ")}.`,
      );
    if (this.#geometry.shape.level === "raid0")
      throw new HoldfastError("unsupported", "raid: there is nothing to sync in a raid0.");
    if (this.#started === null)
      throw new HoldfastError("busy", `${this.#context.name} is suspended.`);
    const { managed } = this.#started;
    const now = actionOf(managed, this.#geometry);
    const isAtRest = now === "idle" || now === "frozen";
    if (!isAtRest && action !== "idle" && action !== "frozen")
      throw new HoldfastError(
        "busy",
        `${this.#context.name} is busy with ${now}: stop that first.`,
      );
    await managed.sync.setAction(action);
    return null;
  }

  /** 1 background sync ends, and is recorded, 2 the bitmap is settled, 3 superblocks say so. */
  async postsuspend(): Promise<void> {
    if (this.#started === null) return;
    const { managed } = this.#started;
    await managed.close();
    this.#status = frozenStatus(this.#view, managed);
    this.#started = null;
  }

  async preresume(): Promise<void> {
    if (this.#started !== null) return;
    const context = this.#context;
    this.#started = await startRaid({
      context,
      raid: this.#raid,
      geometry: this.#geometry,
      pairs: this.#pairs,
      journal: this.#journal,
      isFirst: this.#isFirst,
      onPass: () => context.event(),
    });
    this.#isFirst = false;
    this.#started.managed.array.listen((event) => {
      if (event.kind !== "mode") context.event();
    });
  }

  async close(): Promise<void> {
    await this.postsuspend();
  }
}

function limitsOf({ shape }: RaidGeometry, pairs: readonly Pair[]): TargetLimits {
  const all = pairs.map(({ data }) => data.device.limits);
  // What a discarded sector reads as is not known, and parity must be.
  const hasParity = shape.level === "raid5" || shape.level === "raid6";
  return {
    logicalBlockBytes: Math.max(512, ...all.map((each) => each.logicalBlockBytes)),
    optimalIoBytes: stripeBytes(shape),
    discard: !hasParity && all.every((each) => each.discard),
    writeZeroes: !hasParity && all.every((each) => each.writeZeroes),
  };
}

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const raid = parseRaid(words);
  const geometry = raidGeometry(raid, context.sectors);
  const pairs = await openPairs(context, raid, geometry);
  if (pairs.length > 0 && pairs.every(({ metadata }) => metadata !== null))
    // What is wrong with it is said now; it is read again when it starts.
    judgeSet(await findPairs(pairs), geometry, raid.rebuild);
  const journal = await openJournal(context, raid, pairs);
  return new RaidTarget(context, raid, geometry, pairs, journal);
}

async function openJournal(
  context: TargetContext,
  { journal }: RaidArguments,
  pairs: readonly Pair[],
): Promise<TargetDevice | null> {
  if (journal === null) return null;
  if (pairs.some(({ metadata }) => metadata === null))
    throw new HoldfastError("usage", "raid: a set with a journal has metadata devices.");
  const device = await context.open(journal.device);
  checkSize(device, MIN_JOURNAL_SECTORS);
  return device;
}

async function openPairs(
  context: TargetContext,
  raid: RaidArguments,
  geometry: RaidGeometry,
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const [index, { metadata, data }] of raid.devices.entries()) {
    if (data === null) continue;
    const pair = {
      index,
      metadata: metadata === null ? null : await context.open(metadata),
      data: await context.open(data),
    };
    checkSize(pair.data, geometry.componentSectors);
    if (pair.metadata !== null) checkSize(pair.metadata, metadataSectors(raid, geometry));
    pairs.push(pair);
  }
  const isMixed = pairs.some(
    ({ metadata }) => (metadata === null) !== (pairs[0]!.metadata === null),
  );
  if (isMixed)
    throw new HoldfastError("usage", "raid: all data devices have a metadata device, or none has.");
  if (pairs.length === 0) throw new HoldfastError("usage", "raid: no device is given.");
  return pairs;
}

function checkSize({ device, id }: TargetDevice, sectors: number): void {
  if (device.sectors < sectors)
    throw new HoldfastError(
      "usage",
      `raid: ${id} has ${device.sectors} sectors, and ${sectors} are needed.`,
    );
}

export const RAID: TargetType = {
  name: "raid",
  version: [1, 15, 1],
  isSingleton: true,
  construct,
};
