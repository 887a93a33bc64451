/** What is told of a mapped device. */
import { DM_MAJOR } from "../../dm/numbers.ts";
import type { LiveTable } from "../../dm/live-table.ts";
import type { MappedDevice } from "../../dm/mapped-device.ts";
import type { MappedDependency, MappedTableView, MappedView } from "./mapped-host.ts";
import type { BlockNumbers } from "./table-paths.ts";

/** @param numbersOf how others know a device that is no mapped device, by its key */
export function mappedView(
  device: MappedDevice,
  numbersOf: (key: string) => BlockNumbers,
): MappedView {
  const { name, uuid, minor, live, inactive, isSuspended, openCount, eventNr } = device;
  return {
    name,
    uuid,
    major: DM_MAJOR,
    minor,
    isSuspended,
    isReadOnly: live?.limits.readOnly ?? false,
    isRemovalDeferred: device.isDeferredRemoval,
    openCount,
    eventNumber: eventNr,
    live: tableView(live),
    inactive: tableView(inactive),
    dependencies: dependenciesOf(live ?? inactive, numbersOf),
  };
}

function tableView(table: LiveTable | null): MappedTableView | null {
  if (table === null) return null;
  const targets = table.targets.map(({ start, sectors, type }) => ({
    start,
    sectors,
    type: type.name,
  }));
  return { targets, lines: table.table(), sectors: table.sectors };
}

/** Each once, as the kernel lists them: what was opened last comes first. */
function dependenciesOf(
  table: LiveTable | null,
  numbersOf: (key: string) => BlockNumbers,
): MappedDependency[] {
  const byKey = new Map<string, MappedDependency>();
  for (const { key, mapped } of table?.devices ?? [])
    if (!byKey.has(key))
      byKey.set(key, mapped === null ? { ...numbersOf(key), mapped: null } : dependencyOn(mapped));
  return [...byKey.values()].toReversed();
}

function dependencyOn({ name, minor }: MappedDevice): MappedDependency {
  const blockName = `dm-${minor}`;
  return { major: DM_MAJOR, minor, blockName, path: `/dev/mapper/${name}`, mapped: name };
}
