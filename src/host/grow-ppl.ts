/** raid5 gets a partial parity log, or loses it, while it runs: --grow --consistency-policy. */
import { HoldfastError } from "../base/errors.ts";
import { changeSuperblock1 } from "../formats/md/superblock-update.ts";
import { arrayUuidBytes } from "../formats/md/superblock.ts";
import { emptyPplStart } from "../md/create/ppl-area.ts";
import type { ManagedArray } from "../md/running/managed-array.ts";
import type { HostContext } from "./context.ts";
import { checkQuiet, exchange, workingIn } from "./exchange.ts";
import type { Change } from "./exchange.ts";
import type { HostedArray } from "./hosted-array.ts";
import { pplFields, whyNoPpl } from "./ppl-fields.ts";

/**
 * The log's place is the member's own, and means nothing before the feature bit, which all members get with the event step.
 * @throws HoldfastError `no-space`
 */
function withPpl({ array }: ManagedArray): Change {
  const places = new Map(
    workingIn(array.members).map((member) => {
      const { label, superblock } = member;
      return [member, pplFields(label, superblock)];
    }),
  );
  return {
    hasPpl: true,
    body: [...places].map(([member, { sector }]) => ({
      member,
      sector,
      bytes: emptyPplStart(arrayUuidBytes(member.superblock)),
    })),
    own: (member, image) => changeSuperblock1(image, places.get(member)!.fields),
  };
}

export async function addPpl(context: HostContext, hosted: HostedArray): Promise<void> {
  const { plan, names } = hosted;
  const why = whyNoPpl(plan.superblock);
  if (why !== null) throw new HoldfastError("unsupported", `${names.path} ${why}`);
  const quiet = checkQuiet(hosted);
  if (plan.superblock.ppl !== null)
    throw new HoldfastError("usage", `${names.path} has a partial parity log already`);
  // What cannot be is said while the array runs.
  withPpl(quiet);
  await exchange(context, hosted, withPpl);
}

/** It is stopped in order before, so that there is nothing in the log that anybody would need. */
export async function removePpl(context: HostContext, hosted: HostedArray): Promise<void> {
  checkQuiet(hosted);
  await exchange(context, hosted, () => ({ hasPpl: false }));
}
