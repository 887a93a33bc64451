/** Promises that nobody waits for and that are rejected: a run that has one is broken, and whoever plays it goes on. */
export async function catchingStrays<T>(
  play: (strays: readonly unknown[]) => Promise<T>,
): Promise<T> {
  const before = process.listeners("unhandledRejection");
  const strays: unknown[] = [];
  const catchOne = (reason: unknown): void => void strays.push(reason);
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", catchOne);
  try {
    return await play(strays);
  } finally {
    process.off("unhandledRejection", catchOne);
    for (const listener of before) process.on("unhandledRejection", listener);
  }
}
