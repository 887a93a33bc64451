/**
 * `holdfast dump`: copies a volume out.
 *
 * Order: data, then the size, then a flush, then the map; "done" is said after the flush. An interrupted or failed copy stays as
 * it is, says how far it came, and is never taken for a whole one: the exit code is 1 and a file is shorter than the volume.
 */
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES, formatBytes } from "../../base/units.ts";
import { RangeList } from "../../copy/ranges.ts";
import { pieceEnd, readInOrder } from "../../copy/read-ahead.ts";
import type { OpenedVolume } from "../../volume/volume.ts";
import type { Command, CommandContext, ParsedArguments } from "../command.ts";
import { mapfileText } from "../copy-map.ts";
import { checkTarget, fileDestination, pipeDestination, writeTextFile } from "../destination.ts";
import type { Destination } from "../destination.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { placesOf, withOneVolume } from "../open-volumes.ts";
import { Progress } from "../progress.ts";
import { unreadableText } from "../unreadable.ts";
import { CONCISE, JSON_OUTPUT, OPENING, PATHS } from "./options.ts";

type Ending = "whole" | "unreadable" | "interrupted";

interface Copied {
  readonly ending: Ending;
  /** How far the copy came. */
  readonly doneBytes: number;
  readonly unreadable: RangeList;
}

interface CopyJob {
  readonly volume: OpenedVolume;
  readonly destination: Destination;
  readonly sizeBytes: number;
  /** Ranges that cannot be read become zeros instead of ending the copy. */
  readonly fillZeros: boolean;
}

async function copyAll(context: CommandContext, job: CopyJob): Promise<Copied> {
  const { volume, destination, sizeBytes, fillZeros } = job;
  const progress = new Progress(context, volume.name, sizeBytes);
  const unreadable = new RangeList();
  let isInterrupted = false;
  const forget = context.terminal.onInterrupt((count) => {
    isInterrupted = true;
    if (count > 1) context.terminal.exitNow(EXIT_FAILED);
  });
  const ended = (ending: Ending, doneBytes: number): Copied => ({ ending, doneBytes, unreadable });
  try {
    for await (const piece of readInOrder(volume.device, { arena: context.services.arena() })) {
      const { offsetBytes } = piece;
      if (isInterrupted) return ended("interrupted", offsetBytes);
      switch (piece.kind) {
        case "data":
          await destination.write(offsetBytes, piece.data);
          break;
        case "zeros":
          await destination.writeZeros(offsetBytes, piece.lengthBytes);
          break;
        case "unreadable":
          unreadable.add(offsetBytes, piece.lengthBytes);
          if (!fillZeros) return ended("unreadable", offsetBytes);
          await destination.writeZeros(offsetBytes, piece.lengthBytes);
          break;
      }
      progress.update(pieceEnd(piece));
    }
    await destination.finish(sizeBytes);
    return ended("whole", sizeBytes);
  } finally {
    forget();
    await progress.finish();
  }
}

function fail(text: string): never {
  throw new HoldfastError("usage", `dump: ${text}; see 'holdfast dump --help'.`);
}

function checkOptions(args: ParsedArguments): { target: string } {
  const target = args.value("output");
  if (target === undefined) return fail("-o OUT is missing: a file, or - for a pipe");
  if (target === "-" && args.has("json"))
    return fail("--json and the volume cannot share the pipe");
  return { target };
}

/** A range that ended the copy lies behind what was done, those filled with zeros within. */
function copiedBytes({ ending, doneBytes, unreadable }: Copied): number {
  return ending === "unreadable" ? doneBytes : doneBytes - unreadable.totalBytes;
}

/** One sentence about what is missing; null when nothing is. */
function shortfall(job: CopyJob, copied: Copied): string | null {
  const { volume, destination, sizeBytes } = job;
  const done = `${destination.name} holds the first ${formatBytes(copied.doneBytes)} of ${formatBytes(sizeBytes)}`;
  switch (copied.ending) {
    case "interrupted":
      return `interrupted: ${done}`;
    case "unreadable":
      return unreadableText(
        volume.name,
        copied.unreadable,
        `${done}; go on past it with --unreadable zero`,
      );
    case "whole":
      return copied.unreadable.all.length === 0
        ? null
        : unreadableText(volume.name, copied.unreadable, `${destination.name} has zeros there`);
  }
}

async function report(
  context: CommandContext,
  args: ParsedArguments,
  job: CopyJob,
  copied: Copied,
): Promise<ExitCode> {
  const { output } = context;
  const { volume, destination, sizeBytes } = job;
  const missing = shortfall(job, copied);
  if (args.has("json")) {
    await output.json({
      name: volume.name,
      output: destination.name,
      sizeBytes,
      copiedBytes: copiedBytes(copied),
      ending: copied.ending,
      unreadable: copied.unreadable.all,
    });
  } else if (missing === null) {
    await output.note(
      `${volume.name} was copied to ${destination.name}: ${formatBytes(sizeBytes)}`,
    );
  }
  if (missing === null) return EXIT_DONE;
  await output.error(missing);
  return EXIT_FAILED;
}

async function refuseSameFile({ env }: CommandContext, map: string, target: string): Promise<void> {
  const [one, other] = await Promise.all([env.files.stat(map), env.files.stat(target)]);
  if (one === null || other === null || one.identity !== other.identity) return;
  fail(`${map} and ${target} are the same file`);
}

async function dump(
  context: CommandContext,
  args: ParsedArguments,
  volume: OpenedVolume,
): Promise<ExitCode> {
  const { target } = checkOptions(args);
  const sizeBytes = volume.device.sectors * SECTOR_BYTES;
  const mayOverwrite = args.has("overwrite");
  const map = args.value("map");
  const given = { mayOverwrite, givenPaths: args.operands };
  if (map !== undefined)
    await checkTarget(context, volume, { ...given, path: map, option: "--map" });
  const destination =
    target === "-"
      ? pipeDestination(context.terminal.stdout)
      : await fileDestination(context, volume, { ...given, path: target, option: "-o" }, sizeBytes);
  try {
    if (map !== undefined) await refuseSameFile(context, map, target);
    const fillZeros = args.value("unreadable") === "zero";
    const job: CopyJob = { volume, destination, sizeBytes, fillZeros };
    const copied = await copyAll(context, job);
    if (map !== undefined) {
      const text = mapfileText(copied.unreadable.all, copied.doneBytes, sizeBytes);
      await writeTextFile(context, map, text, mayOverwrite);
    }
    return await report(context, args, job, copied);
  } finally {
    await destination.close();
  }
}

export const command: Command = {
  meta: {
    name: "dump",
    summary: "copy a volume out: a sparse file, or - for a pipe",
    description: [
      "Copies a volume to a file, a block device, or into a pipe. What is zero takes no room in a file. When it ends without an error, everything is on stable storage.",
      "A file that exists is not overwritten without --overwrite, and a disk that the volume is read from never is.",
      "By default the copy stops at the first range that cannot be read. With --unreadable zero it goes on with zeros in their place and the exit code is 1 at the end; --map writes down which they are, in the format of GNU ddrescue.",
    ],
    arguments: [{ ...PATHS, checkedByVerb: true }],
    options: [
      {
        long: "output",
        short: "o",
        value: { name: "OUT", completes: "files" },
        text: "where to write: a file, a block device, or - for a pipe",
      },
      ...OPENING,
      CONCISE,
      { long: "overwrite", text: "replace what OUT and the map hold" },
      {
        long: "unreadable",
        value: { name: "WHAT", completes: ["stop", "zero"] },
        text: "what to do about ranges that cannot be read: stop (as it does by default), or zero",
      },
      {
        long: "map",
        value: { name: "FILE", completes: "files" },
        text: "write down what was copied and what was bad, as a mapfile of ddrescue",
      },
      { ...JSON_OUTPUT, text: "print JSON about the copy at the end (docs/json.md)" },
    ],
    examples: [
      {
        command: "holdfast dump disk1.img disk2.img disk3.img -o data.img",
        text: "Copy the volume into a sparse file.",
      },
      {
        command: "holdfast dump ./images --volume data -o - | zstd > data.img.zst",
        text: "Compress it on the way.",
      },
      {
        command: "holdfast dump /dev/sd[bc]1 -o data.img --unreadable zero --map data.map",
        text: "Rescue what can be read, and know what could not.",
      },
    ],
  },
  run(context, args) {
    const places = placesOf("dump", args.operands, args);
    checkOptions(args);
    return withOneVolume(context, places, args, (volume) => dump(context, args, volume));
  },
};
