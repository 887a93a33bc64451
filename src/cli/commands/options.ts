/** What several verbs take. */
import type { ArgumentSpec, OptionSpec } from "../command.ts";

export const PATHS: ArgumentSpec = {
  name: "PATH",
  required: true,
  repeated: true,
  text: "a disk image, a block device, or a folder of them; 'missing' stands for an absent disk",
  completes: "files",
};

/** Behind the disks; how they are told apart is in file-arguments.ts. */
export const FILES: ArgumentSpec = {
  name: ":/FILE",
  required: false,
  checkedByVerb: true,
  repeated: true,
  text: "a file in the volume, with a colon in front; behind --volume NAME its slash is enough",
  completes: "nothing",
};

export const JSON_OUTPUT: OptionSpec = {
  long: "json",
  text: "print JSON for programs instead of tables (docs/json.md)",
};

const VOLUME: OptionSpec = {
  long: "volume",
  value: { name: "NAME", completes: "nothing" },
  text: "the volume to work on, by its name or UUID as 'holdfast scan' shows them; needed when the disks hold several",
};

const FORCE: OptionSpec = {
  long: "force",
  text: "open sets that need it, by the rules of mdadm --assemble --force; nothing is written to the disks",
};

const BACKUP_FILE: OptionSpec = {
  long: "backup-file",
  value: { name: "FILE", completes: "files" },
  text: "the backup file of a reshape that was interrupted, as mdadm wrote it",
};

const RAID0_LAYOUT: OptionSpec = {
  long: "raid0-layout",
  value: { name: "LAYOUT", completes: ["original", "alternate"] },
  text: "how a raid0 of disks of unequal size is laid out, if it does not say so itself: original (written by a kernel before 3.14) or alternate",
};

/** For verbs that open volumes. */
export const OPENING: readonly OptionSpec[] = [VOLUME, FORCE, BACKUP_FILE, RAID0_LAYOUT];

/** Beside paths, which are needed without it: `checkPlaces` of open-volumes.ts. */
export const CONCISE: OptionSpec = {
  long: "concise",
  value: { name: "DEVICES", completes: "nothing" },
  text: "mapped devices instead of paths, as 'dmsetup create --concise' takes them: NAME,UUID,MINOR,ro|rw,TABLE LINE[,TABLE LINE...], with semicolons between",
};
