/** `holdfast sysfs`: the md/ folder of sysfs of the daemon's arrays: read, written, listed. */
import { HoldfastError } from "../../base/errors.ts";
import type { ApiClient } from "../../api/client.ts";
import { readSysfs, sysfsNames } from "../../md/view/sysfs-text.ts";
import { parseSysfsWrite } from "../../md/view/sysfs-write.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { SOCKET, connectDaemon } from "./client.ts";
import { JSON_OUTPUT } from "./options.ts";

interface SysfsPath {
  readonly array: string;
  /** "" for the folder itself. */
  readonly name: string;
}

const FORM = /^(?:\/sys\/(?:block|devices\/virtual\/block)\/)?(md[^/]+)(?:\/md)?(?:\/(.*?))?\/*$/;

function parsePath(path: string): SysfsPath {
  const [, array, name = ""] = FORM.exec(path) ?? [];
  if (array !== undefined) return { array, name };
  throw new HoldfastError(
    "usage",
    `sysfs: ${path} is no attribute of an array; it looks like /sys/block/md0/md/sync_action, or md0/sync_action.`,
  );
}

async function read(
  { output }: CommandContext,
  client: ApiClient,
  { array, name }: SysfsPath,
  isJson: boolean,
): Promise<void> {
  const view = await client.array(array);
  const prefix = name === "" ? "" : `${name.replace(/\/$/, "")}/`;
  const text = name === "" ? null : readSysfs(view, name);
  const names = sysfsNames(view).filter((one) => one.startsWith(prefix));
  if (text === null && names.length === 0)
    throw new HoldfastError(
      "not-found",
      `${array} has no attribute ${name}; 'holdfast sysfs ${array}' lists what it has.`,
    );
  if (isJson) {
    const shown = text === null ? names : [name];
    const attributes = shown.map((one) => ({
      name: one,
      value: readSysfs(view, one)?.replace(/\n$/, "") ?? "",
    }));
    await output.json({ array: view.kernelName, attributes });
  } else if (text === null) await output.lines(names.toSorted());
  else await output.stdout.write(text);
}

async function write(client: ApiClient, { array, name }: SysfsPath, value: string): Promise<void> {
  const parsed = parseSysfsWrite(name, value);
  if (parsed.kind === "action") {
    await client.set({ array, action: parsed.action });
    return;
  }
  switch (parsed.error) {
    case "EINVAL":
      throw new HoldfastError(
        "usage",
        `sysfs: ${name} of ${array} does not take '${value}' (EINVAL).`,
      );
    case "EACCES":
      throw new HoldfastError("usage", `sysfs: ${name} of ${array} cannot be written to (EACCES).`);
  }
}

export const command: Command = {
  meta: {
    name: "sysfs",
    summary: "read or write the md attributes of the daemon's arrays by their kernel names",
    description: [
      "Does what reading and writing files below /sys/block/mdN/md does with a kernel's arrays. With a PATH alone its value is printed, with a VALUE it is set; for a folder the names in it are listed.",
    ],
    arguments: [
      {
        name: "PATH",
        required: true,
        repeated: false,
        text: "the attribute: /sys/block/md0/md/sync_action, or md0/sync_action for short",
        completes: "nothing",
      },
      {
        name: "VALUE",
        required: false,
        repeated: false,
        text: "what to set it to",
        completes: "nothing",
      },
    ],
    options: [SOCKET, JSON_OUTPUT],
    examples: [
      { command: "holdfast sysfs md0/sync_action check", text: "Compare all copies, or parity." },
      { command: "holdfast sysfs md0/mismatch_cnt", text: "How many sectors did not agree." },
      { command: "holdfast sysfs md0", text: "All attributes." },
    ],
  },
  async run(context, args) {
    const [path = "", value] = args.operands;
    const place = parsePath(path);
    const client = await connectDaemon(context, args.value("socket"));
    if (value === undefined) await read(context, client, place, args.has("json"));
    else await write(client, place, value);
    return EXIT_DONE;
  },
};
