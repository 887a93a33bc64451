/** `holdfast completion`: scripts that make a shell complete holdfast's words. */
import { HoldfastError } from "../../base/errors.ts";
import type { Command, CommandMeta } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";

type Script = (metas: readonly CommandMeta[]) => string[];

const SCRIPTS: Readonly<Record<string, () => Promise<Script>>> = {
  bash: async () => (await import("../completions/bash.ts")).bashCompletion,
  zsh: async () => (await import("../completions/zsh.ts")).zshCompletion,
  fish: async () => (await import("../completions/fish.ts")).fishCompletion,
};

const SHELLS = Object.keys(SCRIPTS);

export const command: Command = {
  meta: {
    name: "completion",
    summary: "a script that completes these verbs and options in bash, zsh or fish",
    description: [
      "Prints a script that makes the shell complete holdfast's verbs, options and files. Put the line of the example for your shell into its start-up file.",
    ],
    arguments: [
      {
        name: "SHELL",
        required: true,
        repeated: false,
        text: "bash, zsh or fish",
        completes: SHELLS,
      },
    ],
    options: [],
    examples: [
      { command: "source <(holdfast completion bash)", text: "In ~/.bashrc." },
      { command: "source <(holdfast completion zsh)", text: "In ~/.zshrc, behind compinit." },
      {
        command: "holdfast completion fish | source",
        text: "In ~/.config/fish/config.fish.",
      },
    ],
  },
  async run({ output }, args) {
    const shell = args.operands[0] ?? "";
    const load = SCRIPTS[shell];
    if (load === undefined) {
      throw new HoldfastError(
        "usage",
        `completion: there is none for '${shell}', only for ${SHELLS.join(", ")}; see 'holdfast completion --help'.`,
      );
    }
    const { allMetas } = await import("../registry.ts");
    const script = await load();
    await output.lines(script(await allMetas()));
    return EXIT_DONE;
  },
};
