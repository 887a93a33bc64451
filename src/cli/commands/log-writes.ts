/** `holdfast log-writes list|find|replay`: the log of a log-writes device, this program's or the kernel's, looked at and replayed. */
import { HoldfastError } from "../../base/errors.ts";
import { chooseEntries } from "../../dm/targets/log-writes/log-range.ts";
import type { LogRange } from "../../dm/targets/log-writes/log-range.ts";
import { readWriteLog, replayWriteLog } from "../../dm/targets/log-writes/replay.ts";
import type { LogEntry } from "../../dm/targets/log-writes/replay.ts";
import type { Command, CommandContext, OptionSpec, ParsedArguments } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { READ, READ_ALONE, WRITE, withDevice } from "../metadata-device.ts";
import { renderTable } from "../table.ts";
import type { Column } from "../table.ts";
import { printable } from "../text.ts";

const ACTIONS = ["list", "find", "replay"] as const;

const RANGE: readonly OptionSpec[] = [
  {
    long: "start-entry",
    value: { name: "N", completes: "nothing" },
    conflicts: ["start-mark"],
    text: "begin with entry N; the first is 0",
  },
  {
    long: "start-mark",
    value: { name: "MARK", completes: "nothing" },
    text: "begin behind the first mark MARK",
  },
  {
    long: "limit",
    value: { name: "N", completes: "nothing" },
    text: "end after N entries",
  },
  { long: "next-flush", text: "end with the first flush" },
  { long: "next-fua", text: "end with the first FUA write" },
  {
    long: "end-mark",
    value: { name: "MARK", completes: "nothing" },
    text: "end with the first mark MARK",
  },
];

const COLUMNS: readonly Column[] = [
  { title: "ENTRY", align: "right" },
  { title: "KIND" },
  { title: "SECTOR", align: "right" },
  { title: "SECTORS", align: "right" },
  { title: "FLAGS" },
  { title: "MARK", shrinksTo: 16 },
];

function rowOf(entry: LogEntry): string[] {
  const { index, kind, sector, sectors, mark } = entry;
  const hasPlace = kind === "write" || kind === "discard";
  const flags = [
    ...(entry.isFlush ? ["flush"] : []),
    ...(entry.isFua ? ["fua"] : []),
    ...(entry.isMetadata ? ["metadata"] : []),
  ];
  return [
    String(index),
    kind,
    hasPlace ? String(sector) : "",
    hasPlace ? String(sectors) : "",
    flags.join(","),
    printable(mark ?? ""),
  ];
}

function countOption(args: ParsedArguments, name: string, least: number): number | undefined {
  const text = args.value(name);
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new HoldfastError("usage", `--${name} takes a number from ${least} on, not "${text}".`);
}

function rangeOf(args: ParsedArguments): LogRange {
  const startEntry = countOption(args, "start-entry", 0);
  const startMark = args.value("start-mark");
  const limit = countOption(args, "limit", 1);
  const endMark = args.value("end-mark");
  return {
    ...(startEntry === undefined ? {} : { startEntry }),
    ...(startMark === undefined ? {} : { startMark }),
    ...(limit === undefined ? {} : { limit }),
    ...(endMark === undefined ? {} : { endMark }),
    nextFlush: args.has("next-flush"),
    nextFua: args.has("next-fua"),
  };
}

async function chosen(
  context: CommandContext,
  path: string,
  args: ParsedArguments,
): Promise<readonly LogEntry[]> {
  const range = rangeOf(args);
  return withDevice(context, path, READ, async (log) =>
    chooseEntries(await readWriteLog(log), range, log.name),
  );
}

async function list(context: CommandContext, path: string, args: ParsedArguments): Promise<void> {
  const { output } = context;
  const entries = await chosen(context, path, args);
  if (args.has("json")) await output.json({ log: path, entries: entries.map(reported) });
  else if (args.has("num-entries")) await output.lines([String(entries.length)]);
  else await output.lines(renderTable(COLUMNS, entries.map(rowOf), output.tableStyle));
}

function reported({ logSector: _inTheLog, ...entry }: LogEntry): unknown {
  return entry;
}

async function find(context: CommandContext, path: string, args: ParsedArguments): Promise<void> {
  const { output } = context;
  const ends = ["limit", "next-flush", "next-fua", "end-mark"];
  if (!ends.some((name) => args.has(name)))
    throw new HoldfastError(
      "usage",
      `log-writes find looks for what one of ${ends.map((name) => `--${name}`).join(", ")} names.`,
    );
  const last = (await chosen(context, path, args)).slice(-1);
  if (args.has("json")) await output.json({ log: path, entries: last.map(reported) });
  else await output.lines(last.map(({ index }) => String(index)));
}

function replay(
  context: CommandContext,
  path: string,
  onto: string,
  args: ParsedArguments,
): Promise<void> {
  const options = { ...rangeOf(args), ignoresDiscards: args.has("keep-discarded") };
  return withDevice(context, path, READ_ALONE, (log) =>
    withDevice(context, onto, WRITE, async (device) => {
      const entries = await replayWriteLog(log, device, options);
      await context.output.note(`${entries} entries were replayed onto ${onto}`);
    }),
  );
}

export const command: Command = {
  meta: {
    name: "log-writes",
    summary: "list or replay the log of a log-writes device",
    description: [
      "A log-writes device keeps a log of all writes, in the order in which they became durable. This reads such a log, Holdfast's own or the kernel's, as replay-log of xfstests does.",
      "With 'list LOG' it prints the entries; with 'find LOG' the number of the entry that --limit, --next-flush, --next-fua or --end-mark names. Neither writes anything.",
      "With 'replay LOG DEVICE' it writes the entries onto DEVICE: up to a flush, that is what the logged device held at least if the power had failed after it. What was discarded reads as zeros. Nothing is written when an entry that is asked for is not there, or DEVICE is too small.",
    ],
    arguments: [
      {
        name: "ACTION",
        required: true,
        repeated: false,
        text: "list, find or replay",
        completes: ACTIONS,
      },
      {
        name: "LOG",
        required: true,
        repeated: false,
        text: "the device that has the log, or an image of it",
        completes: "files",
      },
      {
        name: "DEVICE",
        required: false,
        checkedByVerb: true,
        repeated: false,
        text: "for replay: what is written to, as large as the logged device",
        completes: "files",
      },
    ],
    options: [
      ...RANGE,
      { long: "keep-discarded", text: "replay: leave alone what was discarded" },
      { long: "num-entries", text: "list: print only how many entries there are" },
      { long: "json", text: "list and find: print JSON for programs (docs/json.md)" },
    ],
    examples: [
      {
        command: "holdfast log-writes list log.img --end-mark mounted",
        text: "Shows what was written before the mark.",
      },
      {
        command: "holdfast log-writes replay log.img copy.img --next-flush",
        text: "Makes in an empty image what the first flush made durable.",
      },
    ],
  },
  async run(context, args) {
    const [word = "", log = "", onto, ...more] = args.operands;
    const action = ACTIONS.find((each) => each === word);
    if (action === undefined)
      throw new HoldfastError("usage", `log-writes: "${word}" is none of ${ACTIONS.join(", ")}.`);
    checkUse(action, onto, more.length, args);
    switch (action) {
      case "list":
        await list(context, log, args);
        break;
      case "find":
        await find(context, log, args);
        break;
      case "replay":
        await replay(context, log, onto!, args);
        break;
    }
    return EXIT_DONE;
  },
};

function checkUse(
  action: (typeof ACTIONS)[number],
  onto: string | undefined,
  more: number,
  args: ParsedArguments,
): void {
  if ((action === "replay") !== (onto !== undefined) || more > 0)
    throw new HoldfastError(
      "usage",
      action === "replay"
        ? "log-writes replay takes a log and a device to write to."
        : `log-writes ${action} takes a log, and nothing else.`,
    );
  const own = { list: ["num-entries", "json"], find: ["json"], replay: ["keep-discarded"] }[action];
  for (const option of ["keep-discarded", "num-entries", "json"])
    if (args.has(option) && !own.includes(option))
      throw new HoldfastError("usage", `--${option} says nothing to log-writes ${action}.`);
}
