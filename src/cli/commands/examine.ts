/** `holdfast examine`: every field of every superblock, or what they mean together. */
import { HoldfastError } from "../../base/errors.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { listed } from "../text.ts";
import { JSON_OUTPUT, PATHS } from "./options.ts";

function nothingFound(paths: readonly string[]): HoldfastError {
  return new HoldfastError(
    "not-found",
    `no RAID superblock was found on ${listed(paths, 3)}; see 'holdfast scan' for what is there.`,
  );
}

async function explain(
  { env, services, output }: CommandContext,
  paths: readonly string[],
  asJson: boolean,
): Promise<ExitCode> {
  const sets = await services.explain(env, paths);
  if (sets.length === 0) throw nothingFound(paths);
  if (asJson) await output.json({ sets });
  else {
    const { explainLines } = await import("../views/explain-view.ts");
    await output.lines(explainLines(sets, output.tableStyle));
  }
  return EXIT_DONE;
}

export const command: Command = {
  meta: {
    name: "examine",
    summary: "every field of every superblock; --explain: what they mean together",
    description: [
      "Shows every field of every superblock found: where it lies, its name, its value in words, and what is wrong with it.",
      "With --explain: for each set who says what about whom (events, roles, times), what each way to put it together would do and cost, and which kernels accept it.",
    ],
    arguments: [PATHS],
    options: [
      {
        long: "explain",
        text: "compare the members of each set, and say what each way to assemble it would do",
      },
      JSON_OUTPUT,
    ],
    examples: [
      { command: "holdfast examine disk1.img", text: "All fields of one superblock." },
      {
        command: "holdfast examine --explain /dev/sd[bcd]1",
        text: "Why a set does not start, and what --force would mean.",
      },
    ],
  },
  async run(context, args) {
    if (args.has("explain")) return explain(context, args.operands, args.has("json"));
    const { env, services, output } = context;
    const superblocks = await services.examine(env, args.operands);
    if (superblocks.length === 0) throw nothingFound(args.operands);
    if (args.has("json")) await output.json({ superblocks });
    else {
      const { examineLines } = await import("../views/examine-view.ts");
      await output.lines(examineLines(superblocks, output.tableStyle));
    }
    return EXIT_DONE;
  },
};
