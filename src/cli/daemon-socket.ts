/** Where the daemon listens for those who administer arrays. */
import type { Terminal } from "./terminal.ts";

/** --socket, else HOLDFAST_SOCKET, else in the folder for what runs. */
export function daemonSocket(terminal: Terminal, given: string | null): string {
  const folder = terminal.variable("XDG_RUNTIME_DIR") || "/run";
  return given ?? (terminal.variable("HOLDFAST_SOCKET") || `${folder}/holdfast/control.sock`);
}
