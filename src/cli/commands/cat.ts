/** `holdfast cat`: the content of files in an ext4 volume. */
import { HoldfastError } from "../../base/errors.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { writeZeros } from "../destination.ts";
import { splitOperands } from "../file-arguments.ts";
import type { VolumeFiles } from "../services.ts";
import { withFiles } from "../volume-files.ts";
import { FILES, OPENING, PATHS } from "./options.ts";

async function printFile(
  { output }: CommandContext,
  files: VolumeFiles,
  path: string,
): Promise<void> {
  for await (const chunk of files.readFile(path)) {
    if (chunk.kind === "data") await output.stdout.write(chunk.data);
    else await writeZeros(output.stdout, chunk.lengthBytes);
  }
}

async function printAll(
  context: CommandContext,
  files: VolumeFiles,
  paths: readonly string[],
): Promise<ExitCode> {
  let failures = 0;
  for (const path of paths) {
    try {
      await printFile(context, files, path);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      failures += 1;
      await context.output.error(error.message);
    }
  }
  return failures === 0 ? EXIT_DONE : EXIT_FAILED;
}

export const command: Command = {
  meta: {
    name: "cat",
    summary: "print files of an ext4 volume",
    description: [
      "Prints the content of files in a volume's ext4 file system, byte for byte, one after the other.",
    ],
    arguments: [PATHS, { ...FILES, required: true }],
    options: OPENING,
    examples: [
      { command: "holdfast cat disk1.img disk2.img :/etc/fstab", text: "Print a file." },
      {
        command: "holdfast cat ./images --volume data /db.sql.gz | gunzip | less",
        text: "Look into a file without copying it out.",
      },
    ],
    fileArguments: { lastIsLocal: false },
  },
  run(context, args) {
    if (splitOperands("cat", args.operands).files.length === 0) {
      throw new HoldfastError(
        "usage",
        "cat: no file is named; name it with a colon, as in ':/etc/fstab', or behind --volume NAME.",
      );
    }
    return withFiles(context, { verb: "cat", operands: args.operands }, args, (files, paths) =>
      printAll(context, files, paths),
    );
  },
};
