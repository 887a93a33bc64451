/** A linear array gets longer: another device holds what comes behind its end. */
import { HoldfastError } from "../base/errors.ts";
import type { Member } from "../md/running/member.ts";
import type { HostContext } from "./context.ts";
import { checkQuiet, exchange } from "./exchange.ts";
import type { HostedArray } from "./hosted-array.ts";
import { makeMember } from "./manage.ts";

const PLAIN = { as: "spare", writeMostly: null, failFast: null } as const;

/**
 * 1 old superblocks of the device away, flush, 2 its new one, 3 those of the others: a crash before the first of 3 leaves the array as it was.
 * @throws HoldfastError as growArray; nothing but the device itself is changed then
 */
export async function growLinear(
  context: HostContext,
  hosted: HostedArray,
  path: string,
): Promise<void> {
  const { names, plan } = hosted;
  const { level } = plan.superblock.shape!;
  if (level !== "linear")
    throw new HoldfastError(
      "unsupported",
      `${names.path} is a ${level}, which cannot get longer by a device at its end`,
    );
  const managed = checkQuiet(hosted);
  const { raidDisks } = managed.array.record;
  const held = await context.registry.take(path, { holder: names.path, readOnly: "no" });
  let joining: Member;
  try {
    joining = await makeMember(context, managed, held, PLAIN, raidDisks);
  } catch (error) {
    await held.release();
    throw error;
  }
  // From here on superblocks may tell of it: it stays held, whatever happens.
  hosted.hold(held);
  await exchange(context, hosted, () => ({ raidDisks: raidDisks + 1, joining }));
}
