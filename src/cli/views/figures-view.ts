/** What a server has done so far and what it takes, as two small tables. */
import type { ArenaCounters } from "../../base/arena.ts";
import { formatBytes } from "../../base/units.ts";
import type { ArrayFigures, EngineFigures, SyncProgress } from "../../engine/engine.ts";
import type { LoopDelays } from "../../env/loop-delay.ts";
import type { NbdStats } from "../../nbd/stats.ts";
import type { ProcessFigures } from "../services.ts";
import { printable } from "../text.ts";
import { renderTable } from "../table.ts";
import type { Column, TableStyle } from "../table.ts";

const FIGURES: readonly Column[] = [{ title: "FIGURE" }, { title: "VALUE" }];
const DELAYS: readonly Column[] = [
  { title: "EVENT LOOP DELAY" },
  { title: "P50", align: "right" },
  { title: "P99", align: "right" },
  { title: "MAX", align: "right" },
];

function nbdRows(nbd: NbdStats): string[][] {
  return [
    ["requests", `${nbd.requests}, of which ${nbd.failed} failed`],
    ["read", formatBytes(nbd.readBytes)],
    ["written", formatBytes(nbd.writtenBytes)],
    [
      "clients",
      `${nbd.connections}; ${nbd.accepted} so far, ${nbd.dropped} dropped, ${nbd.refused} refused`,
    ],
    ["payload held", `${formatBytes(nbd.heldBytes)}; at most ${formatBytes(nbd.peakHeldBytes)}`],
  ];
}

function arenaText({ bytes, peakBytes }: ArenaCounters, nbd: NbdStats | null): string {
  const taken = `${formatBytes(bytes)}; at most ${formatBytes(peakBytes)}`;
  return `${taken}; ${nbd?.outsideArena ?? 0} buffers found no room`;
}

function arrayText({ state, degradedBy, sync }: ArrayFigures): string {
  const lacking = degradedBy === 0 ? [] : [`degraded by ${degradedBy}`];
  return [state, ...lacking, ...(sync === null ? [] : [syncText(sync)])].join(", ");
}

function syncText({
  action,
  isDelayed,
  doneBytes,
  totalBytes,
  bytesPerSecond,
}: SyncProgress): string {
  if (isDelayed) return `${action} waits`;
  const done = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  return `${action} ${done}, ${formatBytes(bytesPerSecond)}/s`;
}

function delayRow(thread: string, { p50Ms, p99Ms, maxMs }: LoopDelays): string[] {
  return [thread, ...[p50Ms, p99Ms, maxMs].map((ms) => `${ms.toFixed(1)} ms`)];
}

export function figureLines(
  engine: EngineFigures,
  { residentBytes, loopDelay }: ProcessFigures,
  style: TableStyle,
): string[] {
  const { nbd, arena, arrays } = engine;
  const rows = [
    ["time", `${(engine.elapsedMs / 1000).toFixed(1)} s`],
    ...(nbd === null ? [] : nbdRows(nbd)),
    ...(arena === null ? [] : [["arena", arenaText(arena, nbd)]]),
    ...arrays.map((array) => [printable(array.volume), arrayText(array)]),
    ["resident memory", formatBytes(residentBytes)],
    ["backend", engine.backend],
  ];
  const delays = [delayRow("main thread", loopDelay), delayRow("engine", engine.loopDelay)];
  return [...renderTable(FIGURES, rows, style), "", ...renderTable(DELAYS, delays, style)];
}
