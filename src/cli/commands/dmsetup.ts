/** `holdfast dmsetup`: dmsetup's command line, carried out by the daemon. */
import type { Command } from "../command.ts";
import { SOCKET } from "./client.ts";
import { JSON_OUTPUT } from "./options.ts";
import { withSocket } from "./own-words.ts";

export const command: Command = {
  meta: {
    name: "dmsetup",
    summary: "dmsetup's command line, for mapped devices that the daemon runs",
    description: [
      "Takes the words that dmsetup takes and does what dmsetup does: makes mapped devices from tables, suspends, reloads, resumes, renames and removes them, and tells about them. Called by the name dmsetup it is the same.",
      "Mapped devices run in the daemon, which serves each under its name over NBD for as long as it has a live table. Tables stand on images, block devices, NBD URIs, arrays of the daemon (/dev/md0) and other mapped devices; none of them needs to be in /dev.",
      "What is not dmsetup's, --json and --socket, stands in front of its words.",
    ],
    arguments: [
      {
        name: "WORDS",
        required: false,
        repeated: true,
        text: "dmsetup's command, options and devices; 'holdfast dmsetup help' shows them",
        completes: "files",
      },
    ],
    options: [SOCKET, JSON_OUTPUT],
    examples: [
      {
        command: 'holdfast dmsetup create both --table "0 20480 linear ./a.img 0"',
        text: "A device of an image.",
      },
      { command: "holdfast dmsetup info -c", text: "All devices, a line for each." },
      { command: "holdfast dmsetup ls --tree", text: "What stands on what." },
    ],
    ownGrammar: true,
  },
  async run(context, { operands }) {
    const { env, terminal } = context;
    const { runDmsetup } = await import("../../dmsetup/run-dmsetup.ts");
    const { socket, words } = withSocket(operands);
    return runDmsetup(words, {
      env,
      host: async () => {
        const { connectDaemon } = await import("./client.ts");
        return connectDaemon(context, socket);
      },
      stdout: (text) => terminal.stdout.write(text),
      stderr: (text) => terminal.stderr.write(text).catch(() => {}),
      runProgram: (path, given) => terminal.runProgram(path, given),
      readInput: () => terminal.readInput(),
      folder: terminal.folder,
    });
  },
};
