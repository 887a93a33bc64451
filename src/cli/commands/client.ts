/** What verbs that talk to the daemon have in common. */
import { connect } from "../../api/client.ts";
import type { ApiClient } from "../../api/client.ts";
import { controlSocket } from "../../api/socket-place.ts";
import type { Surroundings } from "../../api/socket-place.ts";
import type { CommandContext, OptionSpec } from "../command.ts";

export const SOCKET: OptionSpec = {
  long: "socket",
  value: { name: "PATH", completes: "files" },
  text: "the daemon's control socket; else $HOLDFAST_SOCKET, else the one in the default state folder",
};

export function surroundings({ terminal, services }: CommandContext): Surroundings {
  return { variable: (name) => terminal.variable(name), uid: services.process.uid };
}

/**
 * @param socket what --socket said
 * @throws HoldfastError as `connect` does
 */
export function connectDaemon(
  context: CommandContext,
  socket: string | undefined,
): Promise<ApiClient> {
  return connect(context.env, controlSocket(surroundings(context), { socket }));
}
