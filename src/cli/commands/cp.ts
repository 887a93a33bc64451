/** `holdfast cp`: copies files out of an ext4 volume. */
import { HoldfastError } from "../../base/errors.ts";
import { formatBytes } from "../../base/units.ts";
import type { Command, CommandContext, ParsedArguments } from "../command.ts";
import { CopyOut } from "../copy-out.ts";
import type { CopyOutResult, LeftOut } from "../copy-out.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { splitOperands } from "../file-arguments.ts";
import { Progress } from "../progress.ts";
import type { VolumeFiles } from "../services.ts";
import { counted, listed } from "../text.ts";
import { trimStop } from "../views/verdict.ts";
import { withFiles } from "../volume-files.ts";
import { FILES, JSON_OUTPUT, OPENING, PATHS } from "./options.ts";

const NAMED_LINKS = 3;

interface CpOperands {
  /** Disks and files in the volume. */
  readonly others: readonly string[];
  readonly destination: string;
}

function splitDestination(operands: readonly string[]): CpOperands {
  const others = operands.slice(0, -1);
  const destination = operands.at(-1);
  const { files } = splitOperands("cp", others);
  if (destination === undefined || destination.startsWith(":/")) {
    throw new HoldfastError(
      "usage",
      "cp: the last word is where to copy to, and it is on this machine; see 'holdfast cp --help'.",
    );
  }
  if (files.length > 0) return { others, destination };
  throw new HoldfastError(
    "usage",
    "cp: no file is named; name it with a colon, as in ':/photos', or behind --volume NAME.",
  );
}

function sentence({ path, why }: LeftOut): string {
  const reason = trimStop(why);
  return reason.startsWith(path) ? `${reason}.` : `${path}: ${reason}.`;
}

async function report(
  { output }: CommandContext,
  args: ParsedArguments,
  result: CopyOutResult,
): Promise<ExitCode> {
  const { files, folders, links, bytes, failed, leftOutLinks, isInterrupted } = result;
  if (args.has("json")) {
    await output.json({ files, folders, links, bytes, failed, leftOutLinks, isInterrupted });
  } else {
    const parts = [counted(files, "file"), counted(folders, "folder"), counted(links, "link")];
    await output.note(`copied ${parts.join(", ")}: ${formatBytes(bytes)}`);
  }
  for (const one of failed) await output.error(sentence(one));
  if (leftOutLinks.length > 0) {
    const names = listed(
      leftOutLinks.map(({ path }) => path),
      NAMED_LINKS,
    );
    const count = counted(leftOutLinks.length, "link");
    await output.error(
      `${count} that would lead out of the copy ${leftOutLinks.length === 1 ? "was" : "were"} left out (${names}); --links makes them too.`,
    );
  }
  if (isInterrupted) await output.error("interrupted: not everything was copied.");
  const isWhole = failed.length === 0 && leftOutLinks.length === 0 && !isInterrupted;
  return isWhole ? EXIT_DONE : EXIT_FAILED;
}

async function copy(
  context: CommandContext,
  args: ParsedArguments,
  files: VolumeFiles,
  request: { readonly paths: readonly string[]; readonly destination: string },
): Promise<ExitCode> {
  const progress = new Progress(context, "copied", null);
  let isInterrupted = false;
  let bytes = 0;
  const forget = context.terminal.onInterrupt((count) => {
    isInterrupted = true;
    if (count > 1) context.terminal.exitNow(EXIT_FAILED);
  });
  const copier = new CopyOut(context.env, files, {
    isRecursive: args.has("recursive"),
    mayOverwrite: args.has("overwrite"),
    makesAllLinks: args.has("links"),
    onBytes: (count) => progress.update((bytes += count)),
    isInterrupted: () => isInterrupted,
  });
  let result: CopyOutResult;
  try {
    result = await copier.run(request.paths, request.destination);
  } finally {
    forget();
    await progress.finish();
  }
  return report(context, args, result);
}

export const command: Command = {
  meta: {
    name: "cp",
    summary: "copy files out of an ext4 volume",
    description: [
      "Copies files, and with -r folders, out of a volume's ext4 file system to DEST on this machine, with their modes and times. The last word is DEST; a folder that exists takes them in, otherwise it is the name of the copy.",
      "Nothing is written outside DEST: odd names and links that lead out of the copy are left out. What cannot be copied is named at the end, the rest is copied, and the exit code is 1.",
    ],
    arguments: [
      PATHS,
      { ...FILES, required: true },
      {
        name: "DEST",
        required: true,
        checkedByVerb: true,
        repeated: false,
        text: "the folder to copy into, or the name of the copy",
        completes: "files",
      },
    ],
    options: [
      { long: "recursive", short: "r", text: "copy folders with all that is in them" },
      { long: "overwrite", text: "replace files that exist" },
      { long: "links", text: "make links that lead out of the copy, too" },
      ...OPENING,
      { ...JSON_OUTPUT, text: "print JSON about the copy at the end (docs/json.md)" },
    ],
    examples: [
      {
        command: "holdfast cp disk1.img disk2.img :/etc/fstab .",
        text: "Copy one file into this folder.",
      },
      {
        command: "holdfast cp -r ./images --volume data /photos /videos ~/rescued",
        text: "Copy two folders with all that is in them.",
      },
    ],
    fileArguments: { lastIsLocal: true },
  },
  run(context, args) {
    const { others, destination } = splitDestination(args.operands);
    return withFiles(context, { verb: "cp", operands: others }, args, (files, paths) =>
      copy(context, args, files, { paths, destination }),
    );
  },
};
