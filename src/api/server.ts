/**
 * Answers requests of the control API: finds the route, checks what was sent, calls, and says it in JSON.
 *
 * What is refused is {code, message} with the status of its code; a mistake of ours has the code null, and is logged.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Log } from "../env/env.ts";
import type { HttpReply, HttpRequest, PeerCredentials } from "../env/http.ts";
import { callHost } from "../host/host-call.ts";
import type { Host, HostMethod } from "../host/host-call.ts";
import { issueText } from "./issue-text.ts";
import { HOST_ROUTES, OWN_ROUTES, placeIn } from "./routes.ts";
import type { OwnMethod, Route } from "./routes.ts";
import { SCHEMAS } from "./schemas.ts";
import { statusOf } from "./statuses.ts";
import type { OwnAnswers } from "./own-answers.ts";

/** A create of 4096 devices with long paths stays below it. */
export const MAX_REQUEST_BYTES = 1024 * 1024;

export interface ApiServerOptions {
  readonly host: Host;
  readonly own: OwnAnswers;
  /** @throws HoldfastError `permission` */
  readonly admit: (peer: PeerCredentials | null) => void;
  readonly log: Log;
}

type Target =
  | { readonly kind: "host"; readonly method: HostMethod; readonly route: Route }
  | { readonly kind: "own"; readonly method: OwnMethod; readonly route: Route };

const TARGETS: readonly Target[] = [
  ...Object.entries(HOST_ROUTES).map(([method, route]): Target => ({
    kind: "host",
    method: method as HostMethod,
    route,
  })),
  ...Object.entries(OWN_ROUTES).map(([method, route]): Target => ({
    kind: "own",
    method: method as OwnMethod,
    route,
  })),
];

/** The function that answers; it does not reject. */
export function apiServer(options: ApiServerOptions): (request: HttpRequest) => Promise<HttpReply> {
  return async (request) => {
    try {
      options.admit(request.peer);
      return { status: 200, body: JSON.stringify((await answer(options, request)) ?? null) };
    } catch (error) {
      return refusal(error, request, options.log);
    }
  };
}

function refusal(error: unknown, { verb, target }: HttpRequest, log: Log): HttpReply {
  if (error instanceof HoldfastError) {
    const { code, message } = error;
    const status = error instanceof WrongVerb ? 405 : statusOf(code);
    return { status, body: JSON.stringify({ code, message }) };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.write("error", `A bug in holdfast, at ${verb} ${target}: ${text}`);
  const message = `The daemon has made a mistake of its own: ${error instanceof Error ? error.message : text}`;
  return { status: 500, body: JSON.stringify({ code: null, message }) };
}

class WrongVerb extends HoldfastError {}

function answer({ host, own }: ApiServerOptions, request: HttpRequest): Promise<unknown> {
  const url = urlOf(request.target);
  const { target, name } = findTarget(request.verb, url);
  const { method, route } = target;
  const what = `${route.verb} ${route.path}`;
  const argument = givenArgument(what, route, name, url.searchParams, request.body);
  if (target.kind === "own") return own[target.method]();
  return callHost(host, {
    method: method as HostMethod,
    argument: checked(what, target.method, argument),
  });
}

function urlOf(target: string): URL {
  try {
    return new URL(target, "http://daemon");
  } catch {
    throw new HoldfastError("usage", `"${target}" is no path of the API.`);
  }
}

function findTarget(verb: string, url: URL): { target: Target; name: string | null } {
  const path = url.pathname.split("/");
  const found = TARGETS.flatMap((target) => {
    const match = matchPath(target.route.path.split("/"), path);
    return match === null ? [] : [{ target, name: match.name }];
  });
  if (found.length === 0)
    throw new HoldfastError(
      "not-found",
      `The API has nothing at ${url.pathname}; docs/daemon.md lists what it has.`,
    );
  const wanted = found.find(({ target }) => target.route.verb === verb);
  if (wanted !== undefined) return wanted;
  const verbs = found.map(({ target }) => target.route.verb).join(" or ");
  throw new WrongVerb("usage", `${url.pathname} takes ${verbs}, not ${verb}.`);
}

function matchPath(
  route: readonly string[],
  path: readonly string[],
): { readonly name: string | null } | null {
  if (route.length !== path.length) return null;
  let name: string | null = null;
  for (const [index, part] of route.entries()) {
    const given = path[index]!;
    if (part.startsWith(":") && given !== "") name = decoded(given);
    else if (part !== given) return null;
  }
  return { name };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HoldfastError("usage", `${part} has a percent sign that stands for nothing.`);
  }
}

function givenArgument(
  what: string,
  route: Route,
  name: string | null,
  query: URLSearchParams,
  body: Uint8Array | null,
): unknown {
  if (body === null)
    throw new HoldfastError("usage", `${what}: a request has at most ${MAX_REQUEST_BYTES} bytes.`);
  const given = route.verb === "GET" ? Object.fromEntries(query) : objectOf(what, body);
  if (route.takes === "object") {
    const place = placeIn(route);
    if (place === null) return given;
    if (Object.hasOwn(given, place))
      throw new HoldfastError(
        "usage",
        `${what}: the ${place} is named in the path, not in the request.`,
      );
    return { ...given, [place]: name };
  }
  const [extra] = Object.keys(given);
  if (extra !== undefined)
    throw new HoldfastError("usage", `${what} takes nothing, and '${extra}' was given.`);
  return name ?? undefined;
}

function objectOf(what: string, body: Uint8Array): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("usage", `${what}: the request is no JSON: ${why}.`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw new HoldfastError("usage", `${what}: the request must be a JSON object.`);
  return parsed as Record<string, unknown>;
}

function checked(what: string, method: HostMethod, argument: unknown): unknown {
  const result = SCHEMAS[method].safeParse(argument);
  if (result.success) return result.data;
  throw new HoldfastError("usage", `${what}: ${issueText(result.error.issues[0]!)}.`);
}
