/** `holdfast ls`: files in an ext4 volume, without mounting it. */
import { utcText } from "../../base/dates.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { Command, CommandContext, ParsedArguments } from "../command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import type { VolumeFiles } from "../services.ts";
import { printable } from "../text.ts";
import type { ListedFile } from "../views/files-view.ts";
import { listSorted, withFiles } from "../volume-files.ts";
import type { FoundFile } from "../volume-files.ts";
import { FILES, JSON_OUTPUT, OPENING, PATHS } from "./options.ts";

/** One folder's listing, or the files that were asked for by name. */
interface Group {
  /** Null for files asked for by name. */
  readonly folder: string | null;
  readonly listed: readonly ListedFile[];
}

class Listing {
  readonly #context: CommandContext;
  readonly #files: VolumeFiles;
  readonly #isRecursive: boolean;
  failures = 0;

  constructor(context: CommandContext, files: VolumeFiles, isRecursive: boolean) {
    this.#context = context;
    this.#files = files;
    this.#isRecursive = isRecursive;
  }

  async *groups(paths: readonly string[]): AsyncGenerator<Group, void, undefined> {
    const folders: string[] = [];
    const named: FoundFile[] = [];
    for (const path of paths) {
      const file = await this.#attempt(() => this.#files.stat(path));
      if (file === null) continue;
      if (file.kind === "folder") folders.push(path);
      else named.push({ path, file });
    }
    if (named.length > 0) {
      yield { folder: null, listed: named.map(({ path, file }) => ({ shown: path, file })) };
    }
    for (const folder of folders) yield* this.#folder(folder);
  }

  async *#folder(folder: string): AsyncGenerator<Group, void, undefined> {
    const found = await this.#attempt(() => listSorted(this.#files, folder));
    if (found === null) return;
    yield { folder, listed: found.map(({ file }) => ({ shown: file.name, file })) };
    if (!this.#isRecursive) return;
    for (const { path, file } of found) {
      if (file.kind === "folder") yield* this.#folder(path);
    }
  }

  /** What cannot be read is said and counted, and the rest goes on. */
  async #attempt<T>(act: () => Promise<T>): Promise<T | null> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.failures += 1;
      await this.#context.output.error(error.message);
      return null;
    }
  }
}

function plainFile({ file, shown }: ListedFile, folder: string | null): object {
  const path = folder === null ? shown : `${folder === "/" ? "" : folder}/${file.name}`;
  return {
    path,
    kind: file.kind,
    sizeBytes: file.sizeBytes,
    mode: file.mode,
    owner: file.uid,
    group: file.gid,
    links: file.links,
    modified: utcText(Math.max(0, file.modifiedSeconds)),
    linkTarget: file.linkTarget,
  };
}

async function list(
  context: CommandContext,
  args: ParsedArguments,
  files: VolumeFiles,
  paths: readonly string[],
): Promise<ExitCode> {
  const { output } = context;
  const listing = new Listing(context, files, args.has("recursive"));
  const wanted = paths.length === 0 ? ["/"] : paths;
  const hasTitles = wanted.length > 1 || args.has("recursive");
  const plain: object[] = [];
  const { fileLines, rawNames } = await import("../views/files-view.ts");
  const isRaw = !args.has("long") && !output.stdout.isTTY;
  let isFirst = true;
  for await (const { folder, listed } of listing.groups(wanted)) {
    if (args.has("json")) {
      plain.push(...listed.map((one) => plainFile(one, folder)));
      continue;
    }
    const title = folder === null || !hasTitles ? [] : [`${printable(folder)}:`];
    await output.lines([...(isFirst ? [] : [""]), ...title]);
    if (isRaw) await output.stdout.write(rawNames(listed));
    else await output.lines(fileLines(listed, args.has("long"), output.tableStyle));
    isFirst = false;
  }
  if (args.has("json")) await output.json({ files: plain });
  return listing.failures === 0 ? EXIT_DONE : EXIT_FAILED;
}

export const command: Command = {
  meta: {
    name: "ls",
    summary: "list files of an ext4 volume, without mounting it",
    description: [
      "Lists folders and files in a volume's ext4 file system (ext2 and ext3 too); the root folder when no file is named. Nothing is mounted, and nothing is written.",
    ],
    arguments: [PATHS, FILES],
    options: [
      { long: "long", short: "l", text: "show mode, links, owner, group, size and time too" },
      { long: "recursive", short: "R", text: "list the folders below, too" },
      ...OPENING,
      JSON_OUTPUT,
    ],
    examples: [
      { command: "holdfast ls disk1.img disk2.img", text: "The root folder." },
      {
        command: "holdfast ls -l ./images --volume data /photos",
        text: "A folder of the volume named data.",
      },
      { command: "holdfast ls -R disk*.img :/etc", text: "A folder and all below it." },
    ],
    fileArguments: { lastIsLocal: false },
  },
  run: (context, args) =>
    withFiles(context, { verb: "ls", operands: args.operands }, args, (files, paths) =>
      list(context, args, files, paths),
    ),
};
