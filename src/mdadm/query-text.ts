/** mdadm --query of a device that is an array, a member, both or neither. */
import { humanBrief, joinLines } from "./text.ts";

/** What the device is as an array. */
export type QueriedArray =
  | { readonly kind: "none" }
  | { readonly kind: "inactive" }
  | {
      readonly kind: "active";
      readonly arrayBytes: number;
      readonly level: string;
      readonly raidDisks: number;
      readonly spares: number;
    };

/** What it is as a member, by its superblock; null without one. */
export interface QueriedMember {
  /** The device's number, which need not be that of its slot. */
  readonly number: number;
  readonly raidDisks: number;
  readonly level: string;
  /** How the array stands to this device; "undetected" when it is not known to run. */
  readonly activity: "active" | "inactive" | "mismatch" | "undetected";
  /** The array's path, null when nothing knows it. */
  readonly arrayPath: string | null;
}

function arrayLine(path: string, array: QueriedArray): string {
  switch (array.kind) {
    case "none":
      return `${path}: is not an md array`;
    case "inactive":
      return `${path}: is an md device which is not active`;
    case "active": {
      const size = humanBrief(array.arrayBytes, "iec");
      const spares = `${array.spares} spare${array.spares === 1 ? "" : "s"}`;
      return `${path}: ${size} ${array.level} ${array.raidDisks} devices, ${spares}. Use mdadm --detail for more detail.`;
    }
  }
}

export function queryText(path: string, array: QueriedArray, member: QueriedMember | null): string {
  const lines = [arrayLine(path, array)];
  if (member !== null) {
    const { number, raidDisks, activity, level, arrayPath } = member;
    lines.push(
      `${path}: device ${number} in ${raidDisks} device ${activity} ${level} ${arrayPath ?? "array"}.  Use mdadm --examine for more detail.`,
    );
  }
  return joinLines(lines);
}
