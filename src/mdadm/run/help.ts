/** --help of the whole and of each mode: what it is for, and which options it takes. */
import type { HelpTopic } from "../command.ts";
import { setterOf } from "../mode-options.ts";
import type { Mode } from "../modes.ts";
import { IMPLIED_MODE_OF, LONG_OPTIONS, MODE_OF } from "../options.ts";

const OVERVIEW = `mdadm, as holdfast carries it out: arrays run in a daemon, and are named there as in /dev.

  mdadm --create ARRAY --level=L --raid-devices=N DEVICE...    make an array
  mdadm --assemble ARRAY DEVICE...                             put one together again
  mdadm --assemble --scan                                      all that the configuration names
  mdadm --build ARRAY --level=L --raid-devices=N DEVICE...     one without superblocks
  mdadm --incremental DEVICE                                   add what was plugged in
  mdadm ARRAY --add|--fail|--remove|--replace DEVICE...        change a running one
  mdadm --grow ARRAY ...                                       bitmap, size, number of mirrors
  mdadm --detail|--stop|--wait ARRAY                           look at it, end it, wait for it
  mdadm --examine|--query|--zero-superblock DEVICE             what is on a device
  mdadm --monitor --scan --program=FILE                        tell what happens

  ARRAY is /dev/mdN, mdN or /dev/md/NAME; DEVICE is an image, a block device or an NBD URI.
  'mdadm --MODE --help' says more on a mode, 'mdadm --help-options' lists all options.
  --json in front of everything prints what was found or done for programs.
`;

const ABOUT: Readonly<Record<Mode, string>> = {
  assemble: "puts together an array from devices that have superblocks, and starts it.",
  build: "starts an array of devices without superblocks; nothing on them tells of it.",
  create: "writes superblocks and starts a new array. What was on the devices is lost.",
  manage: "adds, fails, removes and replaces members of a running array.",
  misc: "tells about arrays and devices, and does what needs no mode of its own.",
  monitor: "tells what happens to arrays: to a program, to a log, or on standard output.",
  grow: "changes a running array as far as no reshape is needed.",
  incremental: "adds one device to the array it belongs to, which starts once it is complete.",
  "auto-detect": "has the kernel look for arrays, which here is nobody's business.",
};

function optionsOf(mode: Mode): string[] {
  const isMine = (meaning: string): boolean =>
    setterOf(mode, meaning) !== undefined &&
    (MODE_OF.get(meaning) ?? IMPLIED_MODE_OF.get(meaning) ?? mode) === mode;
  return LONG_OPTIONS.filter(({ meaning }) => isMine(meaning)).map(({ name, argument }) =>
    argument === "none" ? `--${name}` : argument === "required" ? `--${name}=` : `--${name}[=]`,
  );
}

const WIDTH = 78;

function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  let line = " ";
  for (const word of words) {
    if (line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = " ";
    }
    line += ` ${word}`;
  }
  return [...lines, line].map((each) => `${each}\n`).join("");
}

function modeHelp(mode: Mode): string {
  const options = optionsOf(mode);
  const list = options.length === 0 ? "" : `\nOptions:\n${wrapped(options)}`;
  return `mdadm --${mode}: ${ABOUT[mode]}\n${list}`;
}

function allOptions(): string {
  const modes = Object.keys(ABOUT) as Mode[];
  return `Any unambiguous beginning of an option is understood.\n\n${modes.map(modeHelp).join("\n")}`;
}

const CONFIG_HELP = `The configuration is /etc/mdadm.conf or /etc/mdadm/mdadm.conf, or what --config names. Its lines:

  DEVICE  patterns of devices to look at, or 'partitions'
  ARRAY   a name and what tells the array: UUID=, name=, super-minor=, devices=; spare-group=
  AUTO    +1.x -all and the like: which arrays without an ARRAY line may be put together
  HOMEHOST CREATE PROGRAM MAILADDR MONITORDELAY POLICY   as in mdadm.conf(5)
`;

export function helpText(topic: HelpTopic | null): string {
  switch (topic) {
    case null:
      return OVERVIEW;
    case "options":
      return allOptions();
    case "config":
      return CONFIG_HELP;
    default:
      return modeHelp(topic);
  }
}
