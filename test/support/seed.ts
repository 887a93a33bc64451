/**
 * The one seed of a test run: HOLDFAST_SEED, or else made from the commit that is checked out. So every commit is tried with
 * random cases of its own, and running the tests again on the same commit does the same.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { cwd: REPOSITORY, encoding: "utf8" });
  } catch {
    // Not a checkout: an unpacked archive, say.
    return "0";
  }
}

/** A whole number below 2^31. */
export function seedOfRun(): number {
  const given = process.env["HOLDFAST_SEED"];
  if (given === undefined) return Number.parseInt(commit().slice(0, 8), 16) >>> 1;
  const seed = Number(given);
  if (!Number.isSafeInteger(seed)) throw new Error(`HOLDFAST_SEED is not a number: ${given}`);
  return seed;
}
