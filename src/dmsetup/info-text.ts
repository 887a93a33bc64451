/** `dmsetup info` of one device, for people. */
import type { MappedView } from "../host/mapped/mapped-host.ts";

/** Sectors, as Linux sets it up for a new device. */
export const READ_AHEAD_SECTORS = 256;

export function infoLines(view: MappedView): string[] {
  const { name, uuid, live, inactive, openCount, eventNumber, major, minor } = view;
  const tables = [live === null ? null : "LIVE", inactive === null ? null : "INACTIVE"];
  const present = tables.filter((each) => each !== null).join(" & ");
  return [
    `Name:              ${name}`,
    `State:             ${stateText(view)}`,
    ...(live === null ? [] : [`Read Ahead:        ${READ_AHEAD_SECTORS}`]),
    `Tables present:    ${present === "" ? "None" : present}`,
    `Open count:        ${openCount}`,
    `Event number:      ${eventNumber}`,
    `Major, minor:      ${major}, ${minor}`,
    `Number of targets: ${live?.targets.length ?? 0}`,
    ...(uuid === "" ? [] : [`UUID: ${uuid}`]),
    "",
  ];
}

function stateText({ isSuspended, isReadOnly, isRemovalDeferred }: MappedView): string {
  return [
    isSuspended ? "SUSPENDED" : "ACTIVE",
    ...(isReadOnly ? ["(READ-ONLY)"] : []),
    ...(isRemovalDeferred ? ["(DEFERRED REMOVE)"] : []),
  ].join(" ");
}
