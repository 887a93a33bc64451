/** `holdfast sum`: SHA-256 of each volume. */
import { createHash } from "node:crypto";
import { RangeList } from "../../copy/ranges.ts";
import { pieceEnd, readInOrder } from "../../copy/read-ahead.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { ZEROS } from "../../block/zeros.ts";
import type { OpenedVolume } from "../../volume/volume.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import { placesOf, withVolumes } from "../open-volumes.ts";
import { Progress } from "../progress.ts";
import { printable } from "../text.ts";
import { unreadableText } from "../unreadable.ts";
import { CONCISE, JSON_OUTPUT, OPENING, PATHS } from "./options.ts";

interface Summed {
  readonly name: string;
  /** Null when not everything could be read. */
  readonly sha256: string | null;
  readonly sizeBytes: number;
  readonly unreadable: RangeList;
}

async function sumVolume(context: CommandContext, volume: OpenedVolume): Promise<Summed> {
  const { name, device } = volume;
  const sizeBytes = device.sectors * SECTOR_BYTES;
  const progress = new Progress(context, name, sizeBytes);
  const hash = createHash("sha256");
  const unreadable = new RangeList();
  for await (const piece of readInOrder(device, { arena: context.services.arena() })) {
    switch (piece.kind) {
      case "data":
        hash.update(piece.data);
        break;
      case "zeros":
        for (let left = piece.lengthBytes; left > 0; left -= ZEROS.length) {
          hash.update(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
        }
        break;
      case "unreadable":
        unreadable.add(piece.offsetBytes, piece.lengthBytes);
        break;
    }
    progress.update(pieceEnd(piece));
  }
  await progress.finish();
  const sha256 = unreadable.all.length === 0 ? hash.digest("hex") : null;
  return { name, sha256, sizeBytes, unreadable };
}

export const command: Command = {
  meta: {
    name: "sum",
    summary: "sha256 of each volume as assembled",
    description: [
      "Reads each volume from start to end and prints a line 'SHA256  NAME' for each. The sum is that of the volume's bytes, the same as sha256sum of the block device that the kernel would make of the set.",
      "A volume that cannot be read in full gets no sum; the first range that is missing is named, and the exit code is 1.",
    ],
    arguments: [{ ...PATHS, checkedByVerb: true }],
    options: [...OPENING, CONCISE, JSON_OUTPUT],
    examples: [
      { command: "holdfast sum disk1.img disk2.img disk3.img", text: "The sum of each volume." },
      {
        command:
          'holdfast sum --concise "both,,,,0 2048 linear ./a.img 0,2048 2048 linear ./b.img 0"',
        text: "The sum of two images behind each other.",
      },
      {
        command: "holdfast sum ./images --volume data --json | jq -r '.volumes[0].sha256'",
        text: "One sum, for a script.",
      },
    ],
  },
  run(context, args) {
    const { output } = context;
    const places = placesOf("sum", args.operands, args);
    return withVolumes(context, places, args, async ({ volumes }) => {
      const sums: Summed[] = [];
      for (const volume of volumes) {
        for (const note of volume.report.notes) await output.note(`${volume.name}: ${note}`);
        const sum = await sumVolume(context, volume);
        sums.push(sum);
        if (sum.sha256 === null) {
          await output.error(unreadableText(sum.name, sum.unreadable, "it has no sum"));
        } else if (!args.has("json")) {
          await output.lines([`${sum.sha256}  ${printable(sum.name)}`]);
        }
      }
      if (args.has("json")) {
        const plain = sums.map(({ unreadable, ...sum }) => ({
          ...sum,
          unreadable: unreadable.all,
        }));
        await output.json({ volumes: plain });
      }
      return sums.every(({ sha256 }) => sha256 !== null) ? EXIT_DONE : EXIT_FAILED;
    });
  },
};
