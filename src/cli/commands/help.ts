/** `holdfast help`: the overview, a verb's help, or the manual page. */
import type { Command } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { refuseVerb } from "../parse.ts";

export const command: Command = {
  meta: {
    name: "help",
    summary: "this overview, or the help of one verb",
    description: [
      "Shows what there is, or the help of one verb. With --man, prints the manual page of everything.",
    ],
    arguments: [
      {
        name: "VERB",
        required: false,
        repeated: false,
        text: "the verb to explain",
        completes: "verbs",
      },
    ],
    options: [{ long: "man", text: "print the manual page, in the language of man(7)" }],
    examples: [
      { command: "holdfast help open", text: "The same as 'holdfast open --help'." },
      { command: "holdfast help --man | man -l -", text: "Read the manual page." },
    ],
  },
  async run({ output }, args) {
    // The registry lists this verb too: loaded late, the two do not need each other to load.
    const { COMMANDS, allMetas, findCommand } = await import("../registry.ts");
    const [verb] = args.operands;
    if (args.has("man")) {
      const { manualPage } = await import("../man.ts");
      await output.lines(manualPage(await allMetas()));
      return EXIT_DONE;
    }
    const { commandHelp, overviewHelp } = await import("../help.ts");
    if (verb === undefined) {
      await output.lines(overviewHelp(await allMetas(), output.tableStyle));
      return EXIT_DONE;
    }
    const entry = findCommand(verb);
    const names = COMMANDS.map(({ name }) => name);
    const loaded = entry === undefined ? await refuseVerb(verb, names) : await entry.load();
    await output.lines(commandHelp(loaded.command.meta, output.tableStyle));
    return EXIT_DONE;
  },
};
