/** What `holdfast open` says when it is ready: what was found, where it is served, what to type next. */
import { formatBytes } from "../../base/units.ts";
import type { Access } from "../../engine/engine.ts";
import type { SocketAddress } from "../../env/sockets.ts";
import type { VolumeReport } from "../../volume/report.ts";
import type { TableStyle } from "../table.ts";
import { shellWord } from "../../base/shell.ts";
import { printable, printableData, wrapIndented } from "../text.ts";
import { detailLines } from "./volume-details.ts";
import { verdictTone } from "./verdict.ts";

export interface ServedVolume {
  readonly name: string;
  readonly uri: string;
  readonly sizeBytes: number;
  /** False with an overlay, and where members are written to. */
  readonly readOnly: boolean;
  readonly report: VolumeReport;
}

/** "data: raid5 of 4 disks, left-symmetric, chunk 64 KiB, 66 MiB, degraded, clean". */
function volumeLine(report: VolumeReport): string {
  const facts = [
    `${report.level} of ${report.raidDisks} disks`,
    ...(report.layout === "-" || report.layout === "" ? [] : [report.layout]),
    ...(report.chunkBytes === 0 ? [] : [`chunk ${formatBytes(report.chunkBytes)}`]),
    formatBytes(report.sizeBytes),
    report.state,
  ];
  return `${report.name}: ${facts.join(", ")}`;
}

const ACCESS_TEXTS: Readonly<Record<Access["kind"], string>> = {
  "read-only": "read-only",
  overlay: "writable (overlay)",
  "read-write": "writable",
};

function volumeLines(
  given: ServedVolume,
  access: Access["kind"],
  { paint, width }: TableStyle,
): string[] {
  const report = printableData(given.report);
  return [
    ...wrapIndented(volumeLine(report), 0, width).map((line) =>
      paint(line, verdictTone(report.verdict)),
    ),
    ...detailLines(report, { paint, width }),
    `  ${ACCESS_TEXTS[access]} at ${paint(printable(given.uri), "heading")}`,
  ];
}

/** Three commands for the first volume. */
function commandLines(volume: ServedVolume, address: SocketAddress): string[] {
  const uri = shellWord(volume.uri);
  const name = shellWord(volume.name);
  const place =
    address.kind === "unix"
      ? `-unix ${shellWord(address.path)}`
      : `${address.host} ${address.port}`;
  const readOnly = volume.readOnly ? " -readonly" : "";
  const image = shellWord(`${volume.name}.img`);
  return [
    `nbdinfo ${uri}`,
    `nbdcopy --progress ${uri} ${image}`,
    `sudo nbd-client ${place} -N ${name}${readOnly} /dev/nbd0`,
  ];
}

export function openLines(
  volumes: readonly ServedVolume[],
  address: SocketAddress,
  access: Access["kind"],
  style: TableStyle,
): string[] {
  const [first] = volumes;
  const commands = first === undefined ? [] : commandLines(first, address);
  return [
    ...volumes.flatMap((volume) => volumeLines(volume, access, style)),
    "",
    "Now, for example:",
    ...commands.map((line) => `  ${style.paint(printable(line), "good")}`),
    "",
    "Ctrl-C stops serving.",
  ];
}
