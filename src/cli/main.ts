/** The command line: placeholder of the shape that src/bin/run.ts calls. */
export async function runCli(_args: readonly string[]): Promise<number> {
  return 2;
}
