/** The report of `holdfast scan` as tables: the devices and what is on them, then the sets, then a sentence about each. */
import { formatBytes } from "../../base/units.ts";
import type { DeviceReport, ScanReport, VolumeReport } from "../../volume/report.ts";
import type { Cell, TableStyle } from "../table.ts";
import { renderTable } from "../table.ts";
import { printableData, wrapIndented } from "../text.ts";
import { nextCommand, usableMembers, verdictText, verdictTone } from "./verdict.ts";
import { detailLines } from "./volume-details.ts";

/** The name of a partition below its disk: "p2" of "disk.img:p2". */
function ownName(device: DeviceReport, parent: DeviceReport | null): string {
  if (parent === null || !device.path.startsWith(parent.path)) return device.path;
  return device.path.slice(parent.path.length).replace(/^[:/]+/, "");
}

function deviceRows(device: DeviceReport, parent: DeviceReport | null, depth: number): Cell[][] {
  const name = "  ".repeat(depth) + ownName(device, parent);
  const contents: Cell[] = device.findings.map(({ text }) => text);
  if (device.problem !== null) contents.push({ text: device.problem, tone: "bad" });
  if (contents.length === 0) contents.push({ text: "nothing known", tone: "dim" });
  const isUnknown = device.problem !== null && device.sizeBytes === 0;
  const size: Cell = isUnknown ? { text: "-", tone: "dim" } : formatBytes(device.sizeBytes);
  return [
    ...contents.map((content, index) => (index === 0 ? [name, size, content] : ["", "", content])),
    ...device.partitions.flatMap((partition) => deviceRows(partition, device, depth + 1)),
  ];
}

function chunkText(chunkBytes: number): string {
  return chunkBytes === 0 ? "-" : formatBytes(chunkBytes);
}

function volumeRow(volume: VolumeReport): Cell[] {
  return [
    { text: volume.name, tone: "heading" },
    volume.level,
    volume.layout,
    chunkText(volume.chunkBytes),
    `${usableMembers(volume).length}/${volume.raidDisks}`,
    formatBytes(volume.sizeBytes),
    { text: volume.state, tone: verdictTone(volume.verdict) },
  ];
}

function volumeSentences(
  volume: VolumeReport,
  paths: readonly string[],
  isOnlyOne: boolean,
  style: TableStyle,
): string[] {
  const { width, paint } = style;
  const command = nextCommand(volume, paths, isOnlyOne);
  const verdict = `${volume.name} ${verdictText(volume.verdict, volume.raidDisks)}.`;
  return [
    ...wrapIndented(verdict, 0, width).map((line) => paint(line, verdictTone(volume.verdict))),
    ...detailLines(volume, style),
    ...(command === null ? [] : [`  Next: ${paint(command, "heading")}`]),
  ];
}

/** @param paths as they were typed, for the commands that are suggested */
export function scanLines(
  given: ScanReport,
  paths: readonly string[],
  style: TableStyle,
): string[] {
  const { devices, volumes } = printableData(given);
  const deviceTable = renderTable(
    [{ title: "DEVICE", shrinksTo: 16 }, { title: "SIZE" }, { title: "CONTENT", shrinksTo: 24 }],
    devices.flatMap((device) => deviceRows(device, null, 0)),
    style,
  );
  if (volumes.length === 0) return [...deviceTable, "", "No RAID sets were found."];
  const columns = ["SET", "LEVEL", "LAYOUT", "CHUNK", "DISKS", "SIZE"].map((title) => ({ title }));
  const volumeTable = renderTable(
    [...columns, { title: "STATE", shrinksTo: 12 }],
    volumes.map(volumeRow),
    style,
  );
  const sentences = volumes.flatMap((volume) => [
    "",
    ...volumeSentences(volume, paths, volumes.length === 1, style),
  ]);
  return [...deviceTable, "", ...volumeTable, ...sentences];
}
