/** `holdfast scan`: what is on these disks, images and folders. */
import type { DeviceReport } from "../../volume/report.ts";
import type { Command } from "../command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import { trimStop } from "../views/verdict.ts";
import { JSON_OUTPUT, PATHS } from "./options.ts";

function troubled(devices: readonly DeviceReport[]): DeviceReport[] {
  return devices.flatMap((device) => [
    ...(device.problem === null ? [] : [device]),
    ...troubled(device.partitions),
  ]);
}

/** One sentence for all of them. */
function troubleText(devices: readonly DeviceReport[]): string {
  const [first, ...others] = devices;
  const more = others.length === 0 ? "" : ` (and ${others.length} more with problems)`;
  const problem = trimStop(first?.problem ?? "");
  const path = first?.path ?? "";
  return `${problem.startsWith(path) ? problem : `${path}: ${problem}`}${more}.`;
}

export const command: Command = {
  meta: {
    name: "scan",
    summary: "what is on these disks, images, folders: sets, partitions, file systems",
    description: [
      "Shows what is on each device: partitions, members of RAID sets, LVM, file systems. Then the sets they make up: how many disks are there and needed, in which state, whether each can be opened, and the command to type next.",
      "Nothing is written to any of them.",
    ],
    arguments: [PATHS],
    options: [JSON_OUTPUT],
    examples: [
      { command: "holdfast scan disk1.img disk2.img disk3.img", text: "What is on three images." },
      { command: "holdfast scan ./images", text: "What is on all images in a folder." },
      {
        command: "holdfast scan --json /dev/sd? | jq '.volumes[].verdict.kind'",
        text: "Which sets on the disks of this machine can be opened, for a script.",
      },
    ],
  },
  async run({ env, services, output }, args) {
    const report = await services.scan(env, args.operands);
    if (args.has("json")) await output.json(report);
    else {
      const { scanLines } = await import("../views/scan-view.ts");
      await output.lines(scanLines(report, args.operands, output.tableStyle));
    }
    const trouble = troubled(report.devices);
    if (trouble.length === 0) return EXIT_DONE;
    await output.error(troubleText(trouble));
    return EXIT_FAILED;
  },
};
