/** Where the daemon keeps its state and listens, as daemon and clients look for it. */
import { HoldfastError } from "../base/errors.ts";

export interface Surroundings {
  /** An environment variable; undefined when it is not set. */
  readonly variable: (name: string) => string | undefined;
  /** Null where users have no numbers. */
  readonly uid: number | null;
}

const CONTROL_SOCKET = "control.sock";

/** /var/lib/holdfast for root, $XDG_STATE_HOME/holdfast (~/.local/state/holdfast) for everybody else. */
export function defaultStateFolder({ variable, uid }: Surroundings): string {
  if (uid === 0) return "/var/lib/holdfast";
  const home = variable("HOME");
  const base = variable("XDG_STATE_HOME") || (home ? `${home}/.local/state` : "");
  if (base !== "") return `${base.replace(/\/+$/, "")}/holdfast`;
  throw new HoldfastError(
    "usage",
    "There is no place for the daemon's state: neither XDG_STATE_HOME nor HOME is set; name a folder with --state.",
  );
}

/** What was asked for, else $HOLDFAST_SOCKET, else the one in the state folder. */
export function controlSocket(
  surroundings: Surroundings,
  asked: { readonly socket: string | undefined; readonly stateFolder?: string | undefined },
): string {
  if (asked.socket !== undefined) return asked.socket;
  const fromVariable = surroundings.variable("HOLDFAST_SOCKET");
  if (fromVariable) return fromVariable;
  return `${asked.stateFolder ?? defaultStateFolder(surroundings)}/${CONTROL_SOCKET}`;
}
