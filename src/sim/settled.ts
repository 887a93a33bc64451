/** All promises that can be kept now are: the loop has gone round once. It takes no virtual time, and no real time that matters. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
