/**
 * Mapped devices in one line, as dmsetup has them: `NAME,UUID,MINOR,FLAGS,TABLE LINE[,TABLE LINE...]`, several with semicolons between.
 * UUID, MINOR and FLAGS ("ro" or "rw") may be empty. A backslash takes away the meaning of what follows it.
 */
import { HoldfastError } from "../base/errors.ts";

export interface ConciseDevice {
  readonly name: string;
  readonly uuid: string;
  readonly minor: number | null;
  readonly readOnly: boolean;
  readonly lines: readonly string[];
}

const MAX_MINOR = 2 ** 20 - 1;
const FIELDS = 5;

/** Split where a semicolon or a comma stands by itself, backslashes gone. */
function splitConcise(text: string): string[][] {
  const devices: string[][] = [[""]];
  const add = (char: string): void => {
    const fields = devices.at(-1)!;
    fields.push(fields.pop()! + char);
  };
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]!;
    if (char === "\\" && at + 1 < text.length) {
      at += 1;
      add(text[at]!);
    } else if (char === ";") devices.push([""]);
    else if (char === ",") devices.at(-1)!.push("");
    else add(char);
  }
  return devices.filter((fields) => fields.length > 1 || fields[0]!.trim() !== "");
}

/** @throws HoldfastError `usage` naming the device and the field */
export function parseConcise(text: string): ConciseDevice[] {
  const devices = splitConcise(text.replace(/\n+$/, "")).map(deviceOf);
  if (devices.length === 0)
    throw new HoldfastError(
      "usage",
      "No device is described: NAME,UUID,MINOR,FLAGS,TABLE is expected.",
    );
  return devices;
}

function deviceOf([first = "", uuid, minor, flags, ...lines]: readonly string[]): ConciseDevice {
  const name = first.trim();
  if (uuid === undefined || minor === undefined || flags === undefined || lines.length === 0) {
    const found = [first, uuid, minor, flags, ...lines].filter((field) => field !== undefined);
    throw new HoldfastError(
      "usage",
      `Five comma-separated fields are required for each device, and ${name === "" ? "one" : name} has ${Math.min(found.length, FIELDS)}: NAME,UUID,MINOR,FLAGS,TABLE.`,
    );
  }
  if (name === "") throw new HoldfastError("usage", "A device without a name is described.");
  const readOnly = flags.trim() === "ro";
  if (!readOnly && !["", "rw"].includes(flags.trim()))
    throw new HoldfastError(
      "usage",
      `Invalid flags parameter '${flags}' of ${name}: it must be 'ro' or 'rw' or empty.`,
    );
  return { name, uuid: uuid.trim(), minor: minorIn(name, minor.trim()), readOnly, lines };
}

function minorIn(name: string, text: string): number | null {
  if (text === "") return null;
  const minor = Number(text);
  if (/^\d+$/.test(text) && minor <= MAX_MINOR) return minor;
  throw new HoldfastError(
    "usage",
    `Invalid minor number '${text}' of ${name}: a number up to ${MAX_MINOR} is expected, or nothing.`,
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[\\,;]/g, (char) => `\\${char}`);
}

/** What `parseConcise` gives back as it was; without a table the last field is left out, as dmsetup does. */
export function formatConcise({ name, uuid, minor, readOnly, lines }: ConciseDevice): string {
  const fields = [name, uuid, minor === null ? "" : String(minor), readOnly ? "ro" : "rw"];
  return [...fields, ...lines].map(escaped).join(",");
}
