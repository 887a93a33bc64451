/** A linear array gets longer: a device is added at its end. */
import { HoldfastError } from "../base/errors.ts";
import type { HostContext } from "./context.ts";
import { checkQuiet, exchange } from "./exchange.ts";
import type { HostedArray } from "./hosted-array.ts";
import { newMemberOn } from "./manage.ts";

const HOW = { as: "member", writeMostly: null, failFast: null, isAtEnd: true } as const;

/**
 * The order: 1 old superblocks of the device away, flush, 2 its new one, with one event more than the others, 3 those of the others. A crash before 2
 * leaves the array as it was. After 2 the new device speaks for the array, and the others, one event behind, are in it with all that they hold;
 * without the new device they are the array as it was, until 3 begins. Nothing is written behind the old end before 3 is done.
 * @throws HoldfastError `unsupported` for other levels, `usage` for a device that cannot join: nothing is written then
 */
export async function addToLinear(
  context: HostContext,
  hosted: HostedArray,
  path: string,
): Promise<void> {
  const { names, plan } = hosted;
  const { level } = plan.superblock.shape!;
  if (level !== "linear")
    throw new HoldfastError(
      "unsupported",
      `${names.path} is a ${level}, which has no end to add to`,
    );
  const quiet = checkQuiet(hosted);
  const held = await context.registry.take(path, { holder: names.path, readOnly: "no" });
  let joins;
  try {
    joins = await newMemberOn(context, quiet, held, HOW);
  } catch (error) {
    await held.release();
    throw error;
  }
  const slot = quiet.array.record.raidDisks;
  joins.standing = { kind: "in-sync", slot };
  // Whatever becomes of it: its superblock may tell of this array from now on.
  hosted.hold(held);
  await exchange(context, hosted, () => ({ joins, raidDisks: slot + 1 }));
}
