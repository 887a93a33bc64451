/** `holdfast clone check|dump`: the metadata of clones, in the manner of thin_check and thin_dump. It is only read. */
import { HoldfastError } from "../../base/errors.ts";
import { checkClone } from "../../dm/targets/clone/check.ts";
import { dumpClone } from "../../dm/targets/clone/dump.ts";
import type { Command } from "../command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import {
  CHECK_JSON,
  IGNORE_LEAKS,
  LEAVE_OUT,
  READ,
  printDump,
  sayCheck,
  withDevice,
} from "../metadata-device.ts";

const ACTIONS = ["check", "dump"] as const;

export const command: Command = {
  meta: {
    name: "clone",
    summary: "check or dump the metadata of a clone",
    description: [
      "With 'check DEVICE' it reads all of a clone's metadata device and compares every count of its space map with what it found. It prints how many regions there are, how many of them are in the destination, and what is wrong; then it exits with 1.",
      "With 'dump DEVICE' it prints the metadata as XML in the manner of thin_dump: sizes, and the regions that are in the destination; with --repair what is damaged is left out.",
      "A clone that is in use is not to be looked at. Nothing is written.",
    ],
    arguments: [
      {
        name: "ACTION",
        required: true,
        repeated: false,
        text: "check or dump",
        completes: ACTIONS,
      },
      {
        name: "DEVICE",
        required: true,
        repeated: false,
        text: "a metadata device or an image of one",
        completes: "files",
      },
    ],
    options: [LEAVE_OUT, IGNORE_LEAKS, CHECK_JSON],
    examples: [
      {
        command: "holdfast clone dump meta.img",
        text: "Shows which regions are in the destination already.",
      },
    ],
  },
  run(context, args) {
    const [word = "", path = ""] = args.operands;
    const action = ACTIONS.find((each) => each === word);
    if (action === undefined)
      throw new HoldfastError("usage", `clone: "${word}" is none of ${ACTIONS.join(", ")}.`);
    return withDevice(context, path, READ, async (device) => {
      switch (action) {
        case "check": {
          const { isGood } = await sayCheck(context, args, device, checkClone);
          return isGood ? EXIT_DONE : EXIT_FAILED;
        }
        case "dump":
          await printDump(context, args, (line, options) => dumpClone(device, line, options));
          return EXIT_DONE;
      }
    });
  },
};
