/** The verbs, in the order help shows them. A new one is one line here and one file in commands/. */
import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  /** Loads the verb's file, and no other verb's. */
  load(): Promise<{ readonly command: Command }>;
}

export const COMMANDS: readonly CommandEntry[] = [
  { name: "scan", load: () => import("./commands/scan.ts") },
  { name: "examine", load: () => import("./commands/examine.ts") },
  { name: "open", load: () => import("./commands/open.ts") },
  { name: "sum", load: () => import("./commands/sum.ts") },
  { name: "dump", load: () => import("./commands/dump.ts") },
  { name: "ls", load: () => import("./commands/ls.ts") },
  { name: "cat", load: () => import("./commands/cat.ts") },
  { name: "cp", load: () => import("./commands/cp.ts") },
  { name: "thin", load: () => import("./commands/thin.ts") },
  { name: "clone", load: () => import("./commands/clone.ts") },
  { name: "log-writes", load: () => import("./commands/log-writes.ts") },
  { name: "mdadm", load: () => import("./commands/mdadm.ts") },
  { name: "dmsetup", load: () => import("./commands/dmsetup.ts") },
  { name: "daemon", load: () => import("./commands/daemon.ts") },
  { name: "mdstat", load: () => import("./commands/mdstat.ts") },
  { name: "mismatches", load: () => import("./commands/mismatches.ts") },
  { name: "sysfs", load: () => import("./commands/sysfs.ts") },
  { name: "sim", load: () => import("./commands/sim.ts") },
  { name: "completion", load: () => import("./commands/completion.ts") },
  { name: "help", load: () => import("./commands/help.ts") },
  { name: "version", load: () => import("./commands/version.ts") },
];

export function findCommand(name: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.name === name);
}

/** Everything that help, the manual page and completion are made of. */
export async function allMetas(): Promise<Command["meta"][]> {
  const loaded = await Promise.all(COMMANDS.map((entry) => entry.load()));
  return loaded.map(({ command }) => command.meta);
}
