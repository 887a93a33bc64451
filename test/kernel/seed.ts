/** The seed of the kernel tests: HOLDFAST_KERNEL_SEED, or a new one each run. Always printed. */

export function kernelSeed(): number {
  const given = process.env["HOLDFAST_KERNEL_SEED"];
  const seed = given === undefined ? Date.now() % 1_000_000_000 : Number(given);
  if (!Number.isSafeInteger(seed))
    throw new Error(`HOLDFAST_KERNEL_SEED is not a number: ${given}`);
  process.stdout.write(`HOLDFAST_KERNEL_SEED=${seed}\n`);
  return seed;
}
