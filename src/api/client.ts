/** The control API from a client's side: a Host in a daemon, by its unix socket. */
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { HttpReply } from "../env/http.ts";
import { hostBehind } from "../host/host-call.ts";
import type { Host } from "../host/host-call.ts";
import { API_VERSION } from "./own-answers.ts";
import type { OwnAnswers } from "./own-answers.ts";
import { HOST_ROUTES, OWN_ROUTES, placeIn } from "./routes.ts";
import type { Route } from "./routes.ts";
import { isErrorCode } from "./statuses.ts";

/** Nothing is kept open between calls: there is nothing to close. */
export type ApiClient = Host & OwnAnswers;

/**
 * @throws HoldfastError `not-found` where no daemon listens, `permission`, `protocol` for what is no holdfast daemon or another API, `io`
 */
export async function connect(env: Env, socketPath: string): Promise<ApiClient> {
  const client = clientOf(env, socketPath);
  const { api, version } = await client.version();
  if (api !== API_VERSION)
    throw new HoldfastError(
      "protocol",
      `The daemon at ${socketPath} is holdfast ${version} and speaks version ${api} of the control API, this program version ${API_VERSION}; use the same holdfast for both.`,
    );
  return client;
}

function clientOf(env: Env, socketPath: string): ApiClient {
  const call = (route: Route, argument?: unknown): Promise<unknown> =>
    callRoute(env, socketPath, route, argument);
  const own = Object.entries(OWN_ROUTES).map(([method, route]) => [method, () => call(route)]);
  return {
    ...hostBehind(({ method, argument }) => call(HOST_ROUTES[method], argument)),
    ...(Object.fromEntries(own) as unknown as OwnAnswers),
  };
}

async function callRoute(
  env: Env,
  socketPath: string,
  route: Route,
  argument: unknown,
): Promise<unknown> {
  const { name, rest } = splitArgument(route, argument);
  const path = route.path.replace(/:\w+/, encodeURIComponent(name));
  const isQuery = route.verb === "GET" && route.takes === "object";
  const query = isQuery ? `?${new URLSearchParams(rest as Record<string, string>).toString()}` : "";
  const body = route.verb === "POST" ? JSON.stringify(rest) : null;
  let reply: HttpReply;
  try {
    reply = await env.http.request(socketPath, { verb: route.verb, target: path + query, body });
  } catch (error) {
    throw explained(error, socketPath);
  }
  return valueOf(reply, socketPath);
}

function splitArgument(
  route: Route,
  argument: unknown,
): { readonly name: string; readonly rest: object } {
  if (route.takes === "nothing") return { name: "", rest: {} };
  if (route.takes === "name") return { name: argument as string, rest: {} };
  const place = placeIn(route);
  if (place === null) return { name: "", rest: argument as object };
  const { [place]: name = "", ...rest } = argument as Readonly<Record<string, string>>;
  return { name, rest };
}

function explained(error: unknown, socketPath: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== "not-found") return error;
  return new HoldfastError(
    "not-found",
    `No holdfast daemon listens on ${socketPath}; start one with 'holdfast daemon', or name its socket with --socket or HOLDFAST_SOCKET.`,
    { cause: error },
  );
}

function valueOf({ status, body }: HttpReply, socketPath: string): unknown {
  const foreign = new HoldfastError(
    "protocol",
    `What listens on ${socketPath} is no holdfast daemon: it answered with status ${status} and no JSON of ours.`,
  );
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw foreign;
  }
  // What has no value came as null.
  if (status === 200) return value ?? undefined;
  const { code, message } = (value ?? {}) as {
    readonly code?: unknown;
    readonly message?: unknown;
  };
  if (typeof message !== "string") throw foreign;
  if (isErrorCode(code)) throw new HoldfastError(code, message);
  throw new Error(message);
}
