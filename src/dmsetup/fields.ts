/** The fields of `dmsetup info -c` and `dmsetup splitname`. */
import type { MappedView } from "../host/mapped/mapped-host.ts";
import { READ_AHEAD_SECTORS } from "./info-text.ts";
import { mangled, splitName, subsystemOf } from "./names.ts";
import type { NameParts } from "./names.ts";
import type { ReportField } from "./report.ts";

export interface InfoRow {
  readonly view: MappedView;
  /** That stand on it. */
  readonly users: readonly MappedView[];
  /** By --select. */
  readonly isSelected: boolean;
}

export const INFO_DEFAULTS = [
  "name",
  "major",
  "minor",
  "attr",
  "open",
  "segments",
  "events",
  "uuid",
];

const DEVNO = ({ major, minor }: { readonly major: number; readonly minor: number }): string =>
  `${major}:${minor}`;

function attributes({ live, inactive, isSuspended, isReadOnly }: MappedView): string {
  return [
    live === null ? "-" : "L",
    inactive === null ? "-" : "I",
    isSuspended ? "s" : "-",
    isReadOnly ? "r" : "w",
  ].join("");
}

function tablesLoaded({ live, inactive }: MappedView): string {
  if (live !== null) return inactive === null ? "Live" : "Both";
  return inactive === null ? "None" : "Inactive";
}

function partsOf({ name, uuid }: MappedView): NameParts {
  return splitName(name, subsystemOf(uuid));
}

type Field = ReportField<InfoRow>;

function field(
  group: string,
  id: string,
  heading: string,
  width: number,
  value: (view: MappedView, users: readonly MappedView[]) => string | number,
  isApart = false,
): Field {
  return { id, heading, width, group, isApart, value: ({ view, users }) => value(view, users) };
}

function number(
  group: string,
  id: string,
  heading: string,
  width: number,
  value: (view: MappedView, users: readonly MappedView[]) => number,
  isApart = false,
): Field {
  return { ...field(group, id, heading, width, value, isApart), isNumber: true };
}

/** All devices are shown where it is. */
export const SELECTED: Field = {
  id: "selected",
  heading: "Selected",
  width: 8,
  group: "special",
  isApart: true,
  isNumber: true,
  value: ({ isSelected }) => Number(isSelected),
};

export const INFO_FIELDS: readonly Field[] = [
  field("name", "name", "Name", 16, ({ name }) => name),
  field("name", "mangled_name", "MangledName", 16, ({ name }) => mangled(name)),
  field("name", "unmangled_name", "UnmangledName", 16, ({ name }) => name),
  field("name", "uuid", "UUID", 32, ({ uuid }) => uuid),
  field("name", "mangled_uuid", "MangledUUID", 32, ({ uuid }) => mangled(uuid)),
  field("name", "unmangled_uuid", "UnmangledUUID", 32, ({ uuid }) => uuid),
  number("name", "read_ahead", "RAhead", 6, ({ live }) => (live === null ? 0 : READ_AHEAD_SECTORS)),
  field("info", "blkdevname", "BlkDevName", 16, ({ minor }) => `dm-${minor}`),
  field("info", "attr", "Stat", 4, attributes),
  field("info", "tables_loaded", "Tables", 6, tablesLoaded),
  field("info", "suspended", "Suspended", 9, (view) => (view.isSuspended ? "Suspended" : "Active")),
  field("info", "readonly", "Read-only", 9, (view) =>
    view.isReadOnly ? "Read-only" : "Writeable",
  ),
  field("info", "devno", "DevNo", 5, DEVNO),
  number("info", "major", "Maj", 3, ({ major }) => major),
  number("info", "minor", "Min", 3, ({ minor }) => minor),
  number("info", "open", "Open", 4, ({ openCount }) => openCount),
  number("info", "segments", "Targ", 4, ({ live }) => live?.targets.length ?? 0),
  number("info", "events", "Event", 6, ({ eventNumber }) => eventNumber),
  number("deps", "device_count", "#Devs", 5, ({ dependencies }) => dependencies.length),
  field(
    "deps",
    "devs_used",
    "DevNamesUsed",
    16,
    ({ dependencies }) => dependencies.flatMap(({ mapped }) => mapped ?? []).join(","),
    true,
  ),
  field("deps", "devnos_used", "DevNosUsed", 16, ({ dependencies }) =>
    dependencies.map(DEVNO).join(","),
  ),
  field("deps", "blkdevs_used", "BlkDevNamesUsed", 16, ({ dependencies }) =>
    dependencies.map(({ blockName }) => blockName).join(","),
  ),
  number("deps", "device_ref_count", "#Refs", 5, (_view, users) => users.length, true),
  field(
    "deps",
    "names_using_dev",
    "RefNames",
    8,
    (_view, users) => users.map(({ name }) => name).join(","),
    true,
  ),
  field(
    "deps",
    "devnos_using_dev",
    "RefDevNos",
    9,
    (_view, users) => users.map(DEVNO).join(","),
    true,
  ),
  field("splitname", "subsystem", "Subsys", 6, ({ uuid }) => subsystemOf(uuid)),
  field("splitname", "vg_name", "VG", 4, (view) => partsOf(view).vg),
  field("splitname", "lv_name", "LV", 4, (view) => partsOf(view).lv),
  field("splitname", "lv_layer", "LVLayer", 7, (view) => partsOf(view).layer),
  SELECTED,
];

export interface SplitRow extends NameParts {
  readonly subsystem: string;
}

export const SPLIT_DEFAULTS = ["vg_name", "lv_name", "lv_layer"];

const split = (
  id: string,
  heading: string,
  value: (row: SplitRow) => string,
): ReportField<SplitRow> => ({ id, heading, width: 4, group: "splitname", value });

export const SPLIT_FIELDS: readonly ReportField<SplitRow>[] = [
  split("subsystem", "Subsys", ({ subsystem }) => subsystem),
  split("vg_name", "VG", ({ vg }) => vg),
  split("lv_name", "LV", ({ lv }) => lv),
  split("lv_layer", "LVLayer", ({ layer }) => layer),
];
