/** AUTO lines: may an array be put together that no ARRAY line names? The first word that fits decides. */
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { parseMetadata } from "../values.ts";

function fits(word: string, { version }: MdSuperblock, isForeign: boolean): boolean {
  if (word === "all") return true;
  if (word === "homehost") return !isForeign;
  const metadata = parseMetadata(word.replace(/^1\.x$/, "1"));
  if (metadata?.kind !== "native") return false;
  return metadata.version === "1" ? version !== "0.90" : metadata.version === version;
}

export function mayAssemble(
  words: readonly string[],
  superblock: MdSuperblock,
  isForeign: boolean,
): boolean {
  for (const word of words) {
    const small = word.toLowerCase();
    if (small === "yes") return true;
    if (small === "no") return false;
    // Whatever is of this host.
    if (small === "homehost" && !isForeign) return true;
    const what = small.replace(/^[+-]/, "");
    if (/^[+-]/.test(small) && fits(what, superblock, isForeign)) return small.startsWith("+");
  }
  return true;
}
