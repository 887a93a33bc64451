/** `holdfast examine --explain`: paths in, one explanation a set out. */
import { openDevice } from "../devices/open.ts";
import type { Env } from "../env/env.ts";
import { explainSet } from "../md/explain.ts";
import type { SetExplanation } from "../md/explanation.ts";
import { collectDevices } from "./devices.ts";
import { planSets } from "./sets.ts";

/**
 * Sets in the order in which their first member was given; those without one intact superblock are left out.
 * @throws HoldfastError when a path cannot be opened
 */
export async function explainPaths(env: Env, paths: readonly string[]): Promise<SetExplanation[]> {
  const collected = await collectDevices(env, paths, { open: openDevice });
  try {
    // As when opening: a mistyped path is the user's to mend, a disk that fails is what this is asked about.
    const mistake = collected.errors.find(({ code }) => code !== "io" && code !== "timeout");
    if (mistake !== undefined) throw mistake;
    const explanations: SetExplanation[] = [];
    const sets = planSets(collected.candidates, { force: false, backupGiven: false });
    for (const { name, plan } of sets) {
      const set = plan.judged.map((one) => one.candidate);
      const explained = await explainSet(name, set);
      if (explained !== null) explanations.push(explained);
    }
    return explanations;
  } finally {
    await collected.close();
  }
}
