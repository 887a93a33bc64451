/** mdadm's modes, and the option string of each (single letters; ":" means that an argument follows). */

export const MODES = [
  "assemble",
  "build",
  "create",
  "manage",
  "misc",
  "monitor",
  "grow",
  "incremental",
  "auto-detect",
] as const;
export type Mode = (typeof MODES)[number];

/** As in mdadm 4.3 and later; 4.2 took the word behind a plain -r for its argument. */
const PLAIN = "ABCDEFGIQhVXYWZ:vqbc:i:l:p:m:n:x:u:d:z:U:N:sarfRSow1tye:k:";
const MONITOR = PLAIN.replace("ar", "ar:");
const BITMAP = PLAIN.replace("qbc:", "qb:c:");
const BITMAP_AUTO = BITMAP.replace("sar", "sa:r");

/** @param mode null before one is set */
export function shortOptions(mode: Mode | null): string {
  switch (mode) {
    case "monitor":
      return MONITOR;
    case "manage":
    case "grow":
      return BITMAP;
    case "assemble":
    case "build":
    case "create":
    case "incremental":
      return BITMAP_AUTO;
    case "misc":
    case "auto-detect":
    case null:
      return PLAIN;
  }
}
