/** `holdfast thin check|dump|restore|repair`: the metadata of thin pools, as thin_check, thin_dump, thin_restore and thin_repair print and read it. */
import { HoldfastError } from "../../base/errors.ts";
import { checkPool } from "../../dm/thin/check.ts";
import { markNeedsCheck } from "../../dm/thin/needs-check.ts";
import { dumpPool } from "../../dm/thin/dump.ts";
import { PoolBuilder } from "../../dm/thin/restore.ts";
import { XmlWriter, readXml } from "../../dm/thin/xml.ts";
import { readSmallFile } from "../../env/small-file.ts";
import type { Command, CommandContext, ParsedArguments } from "../command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import {
  CHECK_JSON,
  IGNORE_LEAKS,
  LEAVE_OUT,
  READ,
  READ_ALONE,
  WRITE,
  printDump,
  sayCheck,
  withDevice,
} from "../metadata-device.ts";

const ACTIONS = ["check", "dump", "restore", "repair"] as const;
type Action = (typeof ACTIONS)[number];

/** It is read whole. */
const MAX_XML_BYTES = 256 * 1024 * 1024;

function check(context: CommandContext, path: string, args: ParsedArguments): Promise<number> {
  const clears = args.has("clear-needs-check-flag");
  return withDevice(context, path, clears ? WRITE : READ, async (device) => {
    const { isGood, needsCheck } = await sayCheck(context, args, device, checkPool);
    if (isGood && clears && needsCheck) {
      await markNeedsCheck(device, false);
      await context.output.note(`${path} needs no check any more`);
    }
    return isGood ? EXIT_DONE : EXIT_FAILED;
  });
}

function dump(context: CommandContext, path: string, args: ParsedArguments): Promise<number> {
  return withDevice(context, path, READ, async (device) => {
    await printDump(context, args, (line, options) =>
      dumpPool(device, new XmlWriter(line), options),
    );
    return EXIT_DONE;
  });
}

function restore(context: CommandContext, input: string, device: string): Promise<number> {
  return withDevice(context, device, WRITE, async (opened) => {
    const text = await readSmallFile(context.env, input, MAX_XML_BYTES);
    await readXml(text, new PoolBuilder(opened));
    return EXIT_DONE;
  });
}

function repair(context: CommandContext, input: string, device: string): Promise<number> {
  const { output } = context;
  return withDevice(context, input, READ_ALONE, (damaged) =>
    withDevice(context, device, WRITE, async (opened) => {
      const lost: string[] = [];
      await dumpPool(damaged, new PoolBuilder(opened), { lost: (what) => lost.push(what) });
      for (const what of lost) await output.warning(what);
      return EXIT_DONE;
    }),
  );
}

function actionOf(word: string): Action {
  const action = ACTIONS.find((each) => each === word);
  if (action !== undefined) return action;
  throw new HoldfastError("usage", `thin: "${word}" is none of ${ACTIONS.join(", ")}.`);
}

export const command: Command = {
  meta: {
    name: "thin",
    summary: "check, dump, restore or repair the metadata of a thin pool",
    description: [
      "With 'check DEVICE' it walks all trees of a pool's metadata device and compares every count of its space maps with what it found; it prints what thin_check prints, and exits with 1 when something is wrong.",
      "With 'dump DEVICE' it prints the metadata as the XML of thin_dump; with --repair what is damaged is left out.",
      "With 'restore XML DEVICE' it makes the metadata that such XML describes, like thin_restore; what is on DEVICE is lost.",
      "With 'repair DEVICE OTHER' it makes good metadata on OTHER out of what can be read on DEVICE, like thin_repair; DEVICE is only read.",
      "A pool that is in use is not to be looked at, but for its metadata snapshot.",
    ],
    arguments: [
      {
        name: "ACTION",
        required: true,
        repeated: false,
        text: "check, dump, restore or repair",
        completes: ACTIONS,
      },
      {
        name: "DEVICE",
        required: true,
        repeated: true,
        text: "a metadata device or an image of one; for restore a file of XML before it, for repair the one to be written behind it",
        completes: "files",
      },
    ],
    options: [
      LEAVE_OUT,
      {
        long: "clear-needs-check-flag",
        text: "check: when all is well, take away the mark that makes kernels refuse changes",
      },
      IGNORE_LEAKS,
      CHECK_JSON,
    ],
    examples: [
      {
        command: "holdfast thin check tmeta.img",
        text: "Says whether the metadata in an image is sound.",
      },
    ],
  },
  async run(context, args) {
    const [word = "", first = "", second = "", ...more] = args.operands;
    const action = actionOf(word);
    const wanted = action === "restore" || action === "repair" ? 2 : 1;
    const given = [first, second, ...more].filter((each) => each !== "").length;
    if (given !== wanted)
      throw new HoldfastError(
        "usage",
        `thin ${action} takes ${wanted} ${wanted === 1 ? "device" : "paths"}, and ${given} were given.`,
      );
    switch (action) {
      case "check":
        return check(context, first, args);
      case "dump":
        return dump(context, first, args);
      case "restore":
        return restore(context, first, second);
      case "repair":
        return repair(context, first, second);
    }
  },
};
