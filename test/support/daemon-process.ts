/** `holdfastd` as a process of its own, which ends with the test. */
import { onTestFinished } from "vitest";
import { launchHoldfastd } from "./holdfastd.ts";
import type { DaemonProcess } from "./holdfastd.ts";

export type { DaemonProcess } from "./holdfastd.ts";

export async function startHoldfastd(
  args: readonly string[],
  variables: NodeJS.ProcessEnv = {},
): Promise<DaemonProcess> {
  const daemon = await launchHoldfastd(args, variables);
  onTestFinished(async () => {
    await daemon.end("SIGKILL");
  });
  return daemon;
}
