/** `holdfast version`. */
import { VERSION } from "../../base/version.ts";
import type { Command } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { JSON_OUTPUT } from "./options.ts";

export const command: Command = {
  meta: {
    name: "version",
    summary: "which version this is",
    description: [
      "Shows the version. 'holdfast --version' does the same, and 'holdfast --version --verbose' tells what it runs on.",
    ],
    arguments: [],
    options: [JSON_OUTPUT],
    examples: [{ command: "holdfast version", text: "The version in use." }],
  },
  async run({ output }, args) {
    if (args.has("json")) await output.json({ name: "holdfast", version: VERSION });
    else await output.lines([`holdfast ${VERSION}`]);
    return EXIT_DONE;
  },
};
