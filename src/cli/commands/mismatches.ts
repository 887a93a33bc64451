/** `holdfast mismatches`: where the last check or repair of an array found that its copies, or data and parity, do not agree. */
import type { Mismatch } from "../../md/running/mismatches.ts";
import type { Command } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { renderTable } from "../table.ts";
import type { Cell, Column } from "../table.ts";
import { printable } from "../text.ts";
import { SOCKET, connectDaemon } from "./client.ts";
import { JSON_OUTPUT } from "./options.ts";

const COLUMNS: readonly Column[] = [
  { title: "SECTOR", align: "right" },
  { title: "SECTORS", align: "right" },
  { title: "ROW", align: "right" },
  { title: "MEMBERS", shrinksTo: 30 },
  { title: "WRONG", shrinksTo: 16 },
];

const HOLDS = { copy: "", data: " data", p: " P", q: " Q" } as const;

type Part = Mismatch["parts"][number];

function nameOf({ member }: Part): string {
  return printable(member.slice(member.lastIndexOf("/") + 1));
}

/** "d0.img data", and where in its own data, if that is not the sector of the line. */
function partText(part: Part, sector: number): string {
  const where = part.memberSector === sector ? "" : ` at ${part.memberSector}`;
  return `${nameOf(part)}${HOLDS[part.holds]}${where}`;
}

function rowOf({ sector, sectors, row, parts }: Mismatch): Cell[] {
  const wrong = parts.filter(({ isWrong }) => isWrong).map(nameOf);
  return [
    String(sector),
    String(sectors),
    row === null ? "-" : String(row),
    parts.map((part) => partText(part, sector)).join(", "),
    wrong.length === 0 ? "cannot be told" : { text: wrong.join(", "), tone: "bad" },
  ];
}

export const command: Command = {
  meta: {
    name: "mismatches",
    summary: "where the last check of an array found that its members do not agree",
    description: [
      "Lists the places that the last check or repair of ARRAY has found: the sector (of the array for mirrors, of the members' data for levels with parity), what each member holds there and where, and which member is wrong where that can be told: the odd one out of three copies or more, or the one block that both P and Q of a raid6 point at.",
      "A repair believes that evidence, and data before parity where there is none; 'holdfast sysfs ARRAY/repair_rule kernel' makes it do as kernels do.",
    ],
    arguments: [
      {
        name: "ARRAY",
        required: true,
        repeated: false,
        text: "md0, or /dev/md/name",
        completes: "nothing",
      },
    ],
    options: [SOCKET, JSON_OUTPUT],
    examples: [
      {
        command: "holdfast mismatches md0",
        text: "What 'holdfast mdadm --action=check /dev/md0' has found.",
      },
    ],
  },
  async run(context, args) {
    const { output } = context;
    const [array = ""] = args.operands;
    const client = await connectDaemon(context, args.value("socket"));
    const found = await client.mismatches(array);
    if (args.has("json")) {
      await output.json({ array, ...found });
      return EXIT_DONE;
    }
    const rows = found.listed.map(rowOf);
    if (rows.length > 0) await output.lines(renderTable(COLUMNS, rows, output.tableStyle));
    const more = found.unlisted > 0 ? `, ${found.unlisted} of them are not listed` : "";
    await output.note(`${found.total} sectors of ${array} do not agree${more}`);
    return EXIT_DONE;
  },
};
