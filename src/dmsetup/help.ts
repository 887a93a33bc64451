/** What `dmsetup help` shows, and a command line that is no use. */
import { COMMANDS } from "./commands.ts";

const INTRODUCTION = `dmsetup, as holdfast carries it out: mapped devices run in a daemon, and are served by it over NBD.
`;

const REST = `
  DEVICE is a name, /dev/mapper/NAME or /dev/dm-N; -u UUID or -j MAJOR -m MINOR name one, too.
  TABLE is a line for each target: START LENGTH TARGET WORD..., in sectors of 512 bytes. Devices in it are absolute paths, paths that
  begin with ./, NBD URIs, arrays of the same daemon (/dev/md0) and mapped devices.
  --concise: NAME,UUID,MINOR,ro|rw,TABLE LINE[,TABLE LINE...], with semicolons between devices.
  -S CRITERIA (info, table, status, deps, suspend, resume, clear, remove, wipe_table, splitname): only what fits them, for instance
  -S 'name=~^vg && open=0'; -S help lists the fields.
  -v shows 'info' with what a command does. --json in front of everything prints what was found or done for programs.
`;

export function helpText(): string {
  const commands = COMMANDS.flatMap(({ names, takes, text }) => [
    `  dmsetup ${names.join("|")} ${takes}`.trimEnd(),
    `      ${text}`,
  ]);
  return [INTRODUCTION, ...commands.map((line) => `${line}\n`), REST].join("");
}
