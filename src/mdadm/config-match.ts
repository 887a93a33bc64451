/** Which ARRAY line of the configuration a device, or a name on the command line, belongs to. */
import type { ArrayLine } from "./config.ts";

/** What a member's superblock says of its array. */
export interface FoundArray {
  readonly path: string;
  readonly uuid: string;
  /** "host:name" or "name"; null in 0.90. */
  readonly name: string | null;
  /** 0.90 only. */
  readonly superMinor: number | null;
}

/** Shell patterns of paths: * ? and [...], none of which matches a slash. */
export function matchesPattern(pattern: string, path: string): boolean {
  const parts = pattern.match(/\[!?[^\]/]+\]|[\s\S]/g) ?? [];
  const source = parts.map((part) => {
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (part.length === 1) return part.replace(/[.+^${}()|\\[\]]/, String.raw`\$&`);
    return part.replace("[!", "[^").replaceAll("\\", String.raw`\\`);
  });
  try {
    return new RegExp(`^${source.join("")}$`).test(path);
  } catch {
    // A range that runs backwards: no pattern, so only itself.
    return pattern === path;
  }
}

/** Two names of an array's device: without /dev/ or /dev/md/, and without the md before a number, they are equal. */
export function sameDeviceName(one: string, other: string): boolean {
  return bare(one) === bare(other);
}

function bare(name: string): string {
  return name.replace(/^\/dev\/(?:md\/)?/, "").replace(/^md(?=\d)/, "");
}

/** Names agree when they are equal, or when one is of this host (or of any, where that is enough) and the rest is. */
export function sameArrayName(
  wanted: string,
  found: string | null,
  homehost: string | null,
  homehostRequired: boolean,
): boolean {
  if (found === null) return false;
  if (found === wanted) return true;
  const colon = found.indexOf(":");
  const host = found.slice(0, Math.max(colon, 0));
  return (
    colon >= 0 && found.slice(colon + 1) === wanted && (!homehostRequired || host === homehost)
  );
}

export type ConfigMatch =
  | { readonly kind: "none" }
  | { readonly kind: "one"; readonly line: ArrayLine }
  /** Two lines that claim it: it belongs to neither. */
  | { readonly kind: "ambiguous"; readonly lines: readonly [ArrayLine, ArrayLine] };

/** A line claims a device when everything it says agrees, and it says something. */
export function claims(line: ArrayLine, found: FoundArray): boolean {
  const { uuid, devices, superMinor, name } = line;
  if (uuid !== null && uuid !== found.uuid) return false;
  if (devices !== null && !devices.some((each) => matchesPattern(each, found.path))) return false;
  if (superMinor !== null && superMinor !== found.superMinor) return false;
  if (name !== null && !sameArrayName(name, found.name, null, false)) return false;
  return [uuid, devices, superMinor, name].some((each) => each !== null);
}

export function matchConfig(lines: readonly ArrayLine[], found: FoundArray): ConfigMatch {
  const [line, second] = lines.filter((each) => claims(each, found));
  if (line === undefined) return { kind: "none" };
  return second === undefined
    ? { kind: "one", line }
    : { kind: "ambiguous", lines: [line, second] };
}
