/** A raid5 with a partial parity log on disks that can lose power, its histories, and what may be found after a cut. */
import { SECTOR_BYTES } from "../../src/base/units.ts";
import { readSectors } from "../../src/block/promises.ts";
import type { MdShape } from "../../src/formats/md/superblock.ts";
import { StripeGeometry } from "../../src/md/geometry/raid456.ts";
import { makeLevel } from "../../src/md/running/levels/make.ts";
import { generate } from "../../src/parity/parity.ts";
import { ArrayDevice } from "./array-device.ts";
import { sameBytes } from "./bytes.ts";
import { contentsOf, History } from "./cut-history.ts";
import { geometryOf, layOut } from "./md-layout.ts";
import { LOG_SECTOR, memberImage, planFor, runPlan } from "./running-array.ts";
import { VirtualTime } from "./virtual-time.ts";

export const SHAPE: MdShape = { level: "raid5", layout: 2, chunkSectors: 16, raidDisks: 4 };
export const COMPONENT = 64;
const ROLES = [0, 1, 2, 3];

function stripes(): StripeGeometry {
  const geometry = geometryOf(SHAPE, COMPONENT);
  if (!(geometry instanceof StripeGeometry)) throw new Error("raid5 has stripes");
  return geometry;
}

export const GEOMETRY = stripes();

/** New members, in sync, with version 0 everywhere. */
export function newImages(pplSectors: number, resyncOffset?: bigint): Uint8Array[] {
  const datas = layOut(GEOMETRY, COMPONENT, contentsOf(0, GEOMETRY.arraySectors, 0));
  return datas.map((data, number) =>
    memberImage({
      shape: SHAPE,
      number,
      roles: ROLES,
      component: COMPONENT,
      pplSectors,
      data,
      ...(resyncOffset === undefined ? {} : { resyncOffset }),
    }),
  );
}

/** Runs what is on the disks, for writing. @param away a disk that is not there */
export async function startHistory(
  images: readonly Uint8Array[],
  away: number | null = null,
): Promise<History> {
  const history = new History(images);
  const isHere = (_one: unknown, slot: number): boolean => slot !== away;
  await history.start((devices, time) => {
    const plan = planFor(devices.filter(isHere), images.filter(isHere));
    return runPlan(plan, time, { mode: "read-write", makeLevel });
  });
  return history;
}

export interface Found {
  readonly complaints: readonly string[];
  /** Nobody has to be synced, although there were entries to replay. */
  readonly isMended: boolean;
}

/** Assembles what is left, for reading and then for writing, and says what is wrong. */
export async function assembleAfter(
  { history, cut }: { readonly history: History; readonly cut: number },
  images: readonly (Uint8Array | null)[],
): Promise<Found> {
  const left = images.flatMap((image, slot) => (image === null ? [] : [{ image, slot }]));
  const devices = left.map(({ image, slot }) => {
    const device = new ArrayDevice(image.length / SECTOR_BYTES, {}, `disk${slot}`);
    device.bytes.set(image);
    return device;
  });
  const plan = planFor(
    devices,
    left.map(({ image }) => image),
  );
  if (plan.verdict.kind !== "can-start")
    return { complaints: [`does not start: ${plan.verdict.reason}`], isMended: false };
  const present = new Set(plan.slots.flatMap(({ member }, slot) => (member === null ? [] : slot)));
  const reader = await runPlan(plan, new VirtualTime(), { mode: "read-only", makeLevel });
  const read = await readSectors(reader, 0, reader.sectors);
  const complaints: string[] = [];
  if (!devices.every(({ bytes }, i) => sameBytes(bytes, left[i]!.image)))
    complaints.push("something was written to a read-only array");
  // What a missing member was to get, and was not promised to have, may be neither old nor new: no log can tell.
  const isThere = (sector: number): boolean => present.has(GEOMETRY.locate(sector).slot);
  complaints.push(...history.wrongSectors(cut, read, isThere));
  const array = await runPlan(plan, new VirtualTime(), { mode: "read-write", makeLevel });
  if (!sameBytes(await readSectors(array, 0, array.sectors), read))
    complaints.push("reads differently once it is writable");
  const isClean = array.record.resyncOffsetSectors === Infinity;
  if (isClean && present.size === SHAPE.raidDisks)
    complaints.push(...wrongRows(devices.map(({ bytes }) => bytes)));
  const wasClean = plan.superblock.resyncOffsetSectors === Infinity;
  return { complaints, isMended: isClean && !wasClean };
}

/** Rows whose parity does not fit, of all members. */
function wrongRows(images: readonly Uint8Array[]): string[] {
  const wrong: string[] = [];
  const dataOf = (image: Uint8Array): number => image.length - COMPONENT * SECTOR_BYTES;
  for (let row = 0; row * SHAPE.chunkSectors < COMPONENT; row += 1) {
    const layout = GEOMETRY.rowLayout(row);
    const chunk = SHAPE.chunkSectors * SECTOR_BYTES;
    const blocks = new Map(
      images.map((image, slot): [number, Uint8Array] => {
        const from = dataOf(image) + row * chunk;
        return [slot, image.slice(from, from + chunk)];
      }),
    );
    const before = blocks.get(layout.p)!.slice();
    generate(layout, blocks);
    if (!sameBytes(before, blocks.get(layout.p)!)) wrong.push(`the parity of row ${row} is wrong`);
  }
  return wrong;
}

/** Where the partial parity log of a member starts, sectors. */
export const PPL_SECTOR = LOG_SECTOR;
