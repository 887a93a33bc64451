/** `holdfast mdadm`: mdadm's command line, carried out by the daemon and, where no array is needed, here. */
import type { Command, CommandContext } from "../command.ts";
import { SOCKET } from "./client.ts";
import { JSON_OUTPUT } from "./options.ts";
import { withSocket } from "./own-words.ts";

/** The NBD URI of a mapped device of the daemon; null: the path is none, or no daemon runs. */
async function mappedAt(
  context: CommandContext,
  socket: string | undefined,
  path: string,
): Promise<string | null> {
  const name = /^\/dev\/mapper\/(.+)$/s.exec(path)?.[1];
  if (name === undefined) return null;
  const { connectDaemon } = await import("./client.ts");
  const client = await connectDaemon(context, socket).catch(() => null);
  if (client === null) return null;
  const { exports } = await client.health();
  return exports.find((one) => one.name === name && one.array.startsWith("dm-"))?.uris[0] ?? null;
}

export const command: Command = {
  meta: {
    name: "mdadm",
    summary: "mdadm's command line, for arrays that the daemon runs",
    description: [
      "Takes the words that mdadm takes and does what mdadm does: makes, assembles, changes, watches and stops arrays, and tells about their members. Called by the name mdadm it is the same.",
      "Arrays run in the daemon: /dev/md0, md0 and /dev/md/data are names that it knows, and need not be there in /dev. Members are images, block devices or NBD URIs. What needs no array (--examine, --zero-superblock and the like) needs no daemon either.",
      "What is not mdadm's, --json and --socket, stands in front of its words.",
    ],
    arguments: [
      {
        name: "WORDS",
        required: false,
        repeated: true,
        text: "mdadm's options and devices; 'holdfast mdadm --help' shows them",
        completes: "files",
      },
    ],
    options: [SOCKET, JSON_OUTPUT],
    examples: [
      {
        command: "holdfast mdadm --create /dev/md0 --level=1 --raid-devices=2 a.img b.img",
        text: "Make a mirror of two images.",
      },
      {
        command: "holdfast mdadm /dev/md0 --fail a.img --remove a.img --add c.img",
        text: "Put another in the place of one of them.",
      },
      { command: "holdfast mdadm --examine a.img", text: "What a member says of its array." },
    ],
    ownGrammar: true,
  },
  async run(context, { operands }) {
    const { env, terminal } = context;
    const { runMdadm } = await import("../../mdadm/run/run-mdadm.ts");
    const { socket, words } = withSocket(operands);
    let forget = (): void => {};
    try {
      return await runMdadm(words, {
        env,
        host: async () => {
          const { connectDaemon } = await import("./client.ts");
          return connectDaemon(context, socket);
        },
        servedAt: (path) => mappedAt(context, socket, path),
        stdout: (text) => terminal.stdout.write(text),
        stderr: (text) => terminal.stderr.write(text).catch(() => {}),
        readLine: () => terminal.readLine(),
        folder: terminal.folder,
        hostName: terminal.hostName,
        runProgram: (path, given) => terminal.runProgram(path, given),
        interrupted: () =>
          new Promise((resolve) => {
            forget = terminal.onInterrupt((count) => {
              if (count > 1) terminal.exitNow(1);
              else resolve();
            });
          }),
      });
    } finally {
      forget();
    }
  },
};
