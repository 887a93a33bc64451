/**
 * Names as the kernel's device-mapper and udev take them apart: a character that is not in udev's list is written `\xHH` where a name stands for
 * a file ("mangled"); and the parts of the names that LVM makes.
 */

const PLAIN = /[A-Za-z0-9#+\-.:=@_]/;

export function mangled(name: string): string {
  return Array.from(new TextEncoder().encode(name), (byte) => {
    const char = String.fromCodePoint(byte);
    return PLAIN.test(char) ? char : `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}

export interface NameParts {
  readonly vg: string;
  readonly lv: string;
  readonly layer: string;
}

const NO_PARTS: NameParts = { vg: "", lv: "", layer: "" };

/** "my--vg-lv-layer": hyphens stand between the parts, and twice where one belongs to a part. Names of others have no parts. */
export function splitName(name: string, subsystem: string): NameParts {
  if (subsystem !== "LVM") return NO_PARTS;
  const parts = name.replaceAll("--", "\0").split("-");
  const [vg = "", lv = "", layer = ""] = parts.map((part) => part.replaceAll("\0", "-"));
  return { vg, lv, layer };
}

/** Whose device it is: what stands before the first hyphen of its uuid. */
export function subsystemOf(uuid: string): string {
  const hyphen = uuid.indexOf("-");
  return hyphen < 0 ? "" : uuid.slice(0, hyphen);
}
