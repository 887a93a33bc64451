/**
 * A volume group as its metadata text says: physical volumes, logical volumes and their segments, as data.
 *
 * Sizes are in sectors, places on physical volumes and in logical volumes in extents. What is here was checked: segments
 * cover their volume without gaps, names lead somewhere, extents lie within their physical volume. What a segment
 * type means (raid, thin, cache, snapshot, ...) is for those who serve it: they find its settings unchanged.
 */
import { HoldfastError } from "../../base/errors.ts";
import { MAX_SECTORS } from "../../base/units.ts";
import { parseLvmText } from "./text.ts";
import type { LvmSection, LvmValue } from "./text.ts";

export interface LvmPhysicalVolume {
  /** The name within the text ("pv0"). */
  readonly name: string;
  readonly uuid: string;
  /** Where it was last seen; a hint only. */
  readonly deviceHint: string | null;
  /** "ALLOCATABLE", "EXPORTED", "MISSING" (among the flags), ... */
  readonly status: readonly string[];
  readonly flags: readonly string[];
  readonly tags: readonly string[];
  /** Null: not recorded. */
  readonly deviceSectors: number | null;
  /** First sector of extent 0 on the device. */
  readonly peStartSectors: number;
  readonly peCount: number;
}

/** A stripe, mirror leg, raid image or metadata volume of a segment. */
export type LvmSegmentArea =
  | { readonly kind: "pv" | "lv"; readonly name: string; readonly startExtent: number }
  /** "error" and "zero" areas, and images that are gone. */
  | { readonly kind: "missing"; readonly name: string };

export interface LvmSegment {
  /** In extents of the logical volume. */
  readonly startExtent: number;
  readonly extentCount: number;
  /** "striped", "mirror", "raid5", "thin-pool", "thin", "snapshot", ... without the flags some types carry behind a "+". */
  readonly type: string;
  readonly typeFlags: readonly string[];
  /** From `stripes`, `mirrors` or `raids`, in that order on disk; for raids metadata and data volume alternate. */
  readonly areas: readonly LvmSegmentArea[];
  /** Everything the segment says, by LVM2's names. */
  readonly settings: LvmSection;
}

export interface LvmLogicalVolume {
  readonly name: string;
  readonly uuid: string;
  readonly status: readonly string[];
  readonly flags: readonly string[];
  readonly tags: readonly string[];
  /**
   * Not one of those that LVM2 keeps for itself ("pool_tdata", "r5_rimage_0"). An old-style snapshot is known to its user
   * by the name of its exception store, which the text marks hidden, and not as "snapshot0", which it marks visible.
   */
  readonly visible: boolean;
  readonly createdSeconds: number | null;
  readonly createdHost: string | null;
  readonly sizeSectors: number;
  readonly segments: readonly LvmSegment[];
}

export interface LvmVolumeGroup {
  readonly name: string;
  readonly uuid: string;
  /** Grows with every change; the highest one among the physical volumes is the truth. */
  readonly seqno: number;
  readonly format: string;
  /** "RESIZEABLE", "READ", "WRITE", "EXPORTED", "CLUSTERED", "PARTIAL", ... */
  readonly status: readonly string[];
  readonly flags: readonly string[];
  readonly tags: readonly string[];
  readonly systemId: string | null;
  /** "dlm", "sanlock": shared between hosts. */
  readonly lockType: string | null;
  readonly extentSectors: number;
  readonly physicalVolumes: readonly LvmPhysicalVolume[];
  readonly logicalVolumes: readonly LvmLogicalVolume[];
  /** What was done last, and where and when. */
  readonly description: string | null;
  readonly creationHost: string | null;
  readonly creationSeconds: number | null;
}

const MAX_AREAS = 65_536;
const EMPTY: LvmSection = { values: new Map(), sections: new Map() };

function fail(what: string): never {
  throw new HoldfastError("bad-metadata", `LVM2 metadata: ${what}.`);
}

/** A section with the path to it, so that every complaint says where. */
class Reader {
  readonly section: LvmSection;
  readonly where: string;

  constructor(section: LvmSection, where: string) {
    this.section = section;
    this.where = where;
  }

  child(name: string): Reader {
    return new Reader(this.section.sections.get(name) ?? EMPTY, `${this.where}/${name}`);
  }

  children(): [string, Reader][] {
    return [...this.section.sections].map(([name, section]) => [
      name,
      new Reader(section, `${this.where}/${name}`),
    ]);
  }

  optionalCount(name: string): number | null {
    const value = this.section.values.get(name);
    if (value === undefined) return null;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MAX_SECTORS)
      fail(`${this.where}/${name} is ${shown(value)}`);
    return value;
  }

  count(name: string): number {
    return this.optionalCount(name) ?? fail(`${this.where}/${name} is not there`);
  }

  optionalText(name: string): string | null {
    const value = this.section.values.get(name);
    if (value === undefined) return null;
    if (typeof value !== "string") fail(`${this.where}/${name} is ${shown(value)}`);
    return value;
  }

  text(name: string): string {
    return this.optionalText(name) ?? fail(`${this.where}/${name} is not there`);
  }

  array(name: string): readonly LvmValue[] {
    const value = this.section.values.get(name) ?? [];
    return Array.isArray(value) ? (value as readonly LvmValue[]) : [value];
  }

  texts(name: string): readonly string[] {
    const items = this.array(name);
    return items.every(isText) ? items : fail(`${this.where}/${name} holds more than strings`);
  }
}

function isText(item: LvmValue): item is string {
  return typeof item === "string";
}

function shown(value: LvmValue): string {
  return JSON.stringify(value).slice(0, 60);
}

function readPv(name: string, at: Reader): LvmPhysicalVolume {
  return {
    name,
    uuid: at.text("id"),
    deviceHint: at.optionalText("device"),
    status: at.texts("status"),
    flags: at.texts("flags"),
    tags: at.texts("tags"),
    deviceSectors: at.optionalCount("dev_size"),
    peStartSectors: at.count("pe_start"),
    peCount: at.count("pe_count"),
  };
}

interface Names {
  readonly pvs: ReadonlyMap<string, LvmPhysicalVolume>;
  readonly lvs: ReadonlySet<string>;
}

/** The pairs name, extent of `stripes` and `mirrors`; a bare string is an area that is gone. */
function readPairs(at: Reader, list: string, names: Names): LvmSegmentArea[] {
  const items = at.array(list);
  const areas: LvmSegmentArea[] = [];
  for (let i = 0; i < items.length; i += 2) {
    const name = items[i];
    const startExtent = items[i + 1];
    if (typeof name !== "string" || typeof startExtent !== "number" || !(startExtent >= 0))
      fail(`${at.where}/${list} has ${shown(name ?? "")} at place ${i}`);
    areas.push(areaOf(name, startExtent, names, `${at.where}/${list}`));
  }
  return areas;
}

function areaOf(name: string, startExtent: number, names: Names, where: string): LvmSegmentArea {
  const pv = names.pvs.get(name);
  if (pv !== undefined) {
    if (!Number.isInteger(startExtent) || startExtent >= pv.peCount)
      fail(`${where} wants extent ${startExtent} of "${name}", which has ${pv.peCount}`);
    return { kind: "pv", name, startExtent };
  }
  if (names.lvs.has(name)) return { kind: "lv", name, startExtent };
  return fail(`${where} names "${name}", which does not exist`);
}

function readRaids(at: Reader, list: string, names: Names): LvmSegmentArea[] {
  return at
    .texts(list)
    .map((name) =>
      names.lvs.has(name) ? { kind: "lv", name, startExtent: 0 } : { kind: "missing", name },
    );
}

function readSegment(at: Reader, names: Names): LvmSegment {
  const [type, ...typeFlags] = at.text("type").split("+");
  const raids = [...readRaids(at, "raids", names), ...readRaids(at, "raid0_lvs", names)];
  const areas = [...readPairs(at, "stripes", names), ...readPairs(at, "mirrors", names), ...raids];
  if (areas.length > MAX_AREAS) fail(`${at.where} has ${areas.length} areas`);
  return {
    startExtent: at.count("start_extent"),
    extentCount: at.count("extent_count"),
    type: type ?? "",
    typeFlags,
    areas,
    settings: at.section,
  };
}

function readSegments(at: Reader, names: Names): LvmSegment[] {
  const segments: LvmSegment[] = [];
  let next = 0;
  const count = at.count("segment_count");
  for (let i = 1; i <= count; i += 1) {
    const name = `segment${i}`;
    if (!at.section.sections.has(name)) fail(`${at.where}/${name} is not there`);
    const segment = readSegment(at.child(name), names);
    if (segment.startExtent !== next)
      fail(`${at.where}/${name} starts at extent ${segment.startExtent}, not ${next}`);
    next += segment.extentCount;
    segments.push(segment);
  }
  return segments;
}

function readLv(name: string, at: Reader, extentSectors: number, names: Names): LvmLogicalVolume {
  const segments = readSegments(at, names);
  const last = segments.at(-1);
  const extents = last === undefined ? 0 : last.startExtent + last.extentCount;
  const status = at.texts("status");
  if (extents * extentSectors > MAX_SECTORS) fail(`${at.where} is larger than any device`);
  return {
    name,
    uuid: at.text("id"),
    status,
    flags: at.texts("flags"),
    tags: at.texts("tags"),
    visible: status.includes("VISIBLE"),
    createdSeconds: at.optionalCount("creation_time"),
    createdHost: at.optionalText("creation_host"),
    sizeSectors: extents * extentSectors,
    segments,
  };
}

function withSnapshotsByName(volumes: readonly LvmLogicalVolume[]): LvmLogicalVolume[] {
  const links = volumes.filter((lv) => lv.segments.some((segment) => segment.type === "snapshot"));
  const stores = new Set(
    links.flatMap((lv) => lv.segments.map((segment) => segment.settings.values.get("cow_store"))),
  );
  return volumes.map((lv) => {
    if (links.includes(lv)) return { ...lv, visible: false };
    return stores.has(lv.name) ? { ...lv, visible: true } : lv;
  });
}

/**
 * The volume group of a metadata text (from a metadata area, or a file that vgcfgbackup wrote).
 * @throws HoldfastError `bad-metadata`, saying where
 */
export function readVolumeGroup(text: string): LvmVolumeGroup {
  const file = parseLvmText(text);
  const top = new Reader(file, "");
  const groups = top.children();
  const [group] = groups;
  if (group === undefined || groups.length !== 1)
    fail(`there are ${groups.length} volume groups in one text`);
  const [name, at] = group;
  const extentSectors = at.count("extent_size");
  if (extentSectors === 0) fail(`${at.where}/extent_size is 0`);
  const physicalVolumes = at
    .child("physical_volumes")
    .children()
    .map(([pvName, pv]) => readPv(pvName, pv));
  const lvs = at.child("logical_volumes").children();
  const names: Names = {
    pvs: new Map(physicalVolumes.map((pv) => [pv.name, pv])),
    lvs: new Set(lvs.map(([lvName]) => lvName)),
  };
  return {
    name,
    uuid: at.text("id"),
    seqno: at.count("seqno"),
    format: at.optionalText("format") ?? "lvm2",
    status: at.texts("status"),
    flags: at.texts("flags"),
    tags: at.texts("tags"),
    systemId: at.optionalText("system_id"),
    lockType: at.optionalText("lock_type"),
    extentSectors,
    physicalVolumes,
    logicalVolumes: withSnapshotsByName(
      lvs.map(([lvName, lv]) => readLv(lvName, lv, extentSectors, names)),
    ),
    description: top.optionalText("description"),
    creationHost: top.optionalText("creation_host"),
    creationSeconds: top.optionalCount("creation_time"),
  };
}
