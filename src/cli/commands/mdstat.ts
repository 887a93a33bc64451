/** `holdfast mdstat`: what /proc/mdstat would say of the daemon's arrays. */
import { mdstatText } from "../../md/view/mdstat-text.ts";
import type { Command } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { SOCKET, connectDaemon } from "./client.ts";
import { JSON_OUTPUT } from "./options.ts";

/** In the kernel's order: each module's levels, as they are loaded. */
const PERSONALITIES = ["linear", "raid0", "raid1", "raid6", "raid5", "raid4", "raid10"];

export const command: Command = {
  meta: {
    name: "mdstat",
    summary: "what /proc/mdstat says of the daemon's arrays",
    description: [
      "Prints the running arrays of the daemon as /proc/mdstat prints those of a kernel, byte for byte: scripts that read one can read the other.",
    ],
    arguments: [],
    options: [SOCKET, JSON_OUTPUT],
    examples: [
      { command: "holdfast mdstat", text: "All arrays, and how far their background work is." },
    ],
  },
  async run(context, args) {
    const client = await connectDaemon(context, args.value("socket"));
    // The kernel shows the latest first.
    const arrays = (await client.arrays()).toReversed();
    const { output } = context;
    if (args.has("json")) await output.json({ arrays });
    else await output.stdout.write(mdstatText(PERSONALITIES, arrays));
    return EXIT_DONE;
  },
};
