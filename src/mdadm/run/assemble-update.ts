/** The words of --update: which of them the superblocks at hand understand, and what each takes. */
import { HoldfastError } from "../../base/errors.ts";
import type { AssemblyUpdate } from "../../host/array-host.ts";
import type { MdVersion } from "../../formats/md/superblock.ts";
import { storedName } from "../../md/create/images.ts";
import type { AssembleCommand } from "../command.ts";

const OF_090: readonly string[] = [
  "uuid",
  "homehost",
  "super-minor",
  "summaries",
  "resync",
  "metadata",
  "no-bitmap",
  "byteorder",
];
const OF_1: readonly string[] = [
  "name",
  "homehost",
  "resync",
  "uuid",
  "no-bitmap",
  "bbl",
  "no-bbl",
  "force-no-bbl",
  "ppl",
  "no-ppl",
  "devicesize",
  "layout-original",
  "layout-alternate",
  "layout-unspecified",
];

type PlainWord = Exclude<AssemblyUpdate["kind"], "name" | "homehost" | "uuid">;

export interface UpdateFacts {
  readonly version: MdVersion;
  readonly homehost: string | null;
  /** Of the array as it is named on the command line. */
  readonly ownName: string;
}

/**
 * @throws `unsupported` where the format does not know the word
 */
export function updateFor(
  { update, identity }: Pick<AssembleCommand, "update" | "identity">,
  { version, homehost, ownName }: UpdateFacts,
): AssemblyUpdate | null {
  if (update === null) return null;
  const known = version === "0.90" ? OF_090 : OF_1;
  if (!known.includes(update))
    throw new HoldfastError(
      "unsupported",
      `--update=${update} not understood for ${version === "0.90" ? "0.90" : "1.x"} metadata`,
    );
  switch (update) {
    case "name":
      // As a new array would be called.
      return { kind: update, value: storedName(identity.name ?? ownName, homehost) };
    case "homehost":
      return { kind: update, value: homehost };
    case "uuid":
      return { kind: update, value: identity.uuid?.replaceAll(":", "") ?? null };
    default:
      return { kind: update as PlainWord };
  }
}
