/**
 * The control API, version 1: which request calls what. Everything else about a request follows from here and from schemas.ts, for the
 * server and the client alike.
 *
 *   GET   :array from the path, the rest from the query
 *   POST  :array from the path, the rest is a JSON object
 *
 * An array is named as ArrayHost says, with percent signs for slashes: /v1/arrays/md0, /v1/arrays/%2Fdev%2Fmd%2Fdata.
 */
import type { HostMethod } from "../host/host-call.ts";

export interface Route {
  readonly verb: "GET" | "POST";
  readonly path: string;
  /** What the method takes: nothing, the array's name, or an object (its `array` stands in the path). */
  readonly takes: "nothing" | "name" | "object";
}

export const HOST_ROUTES: Readonly<Record<HostMethod, Route>> = {
  arrays: { verb: "GET", path: "/v1/arrays", takes: "nothing" },
  array: { verb: "GET", path: "/v1/arrays/:array", takes: "name" },
  mismatches: { verb: "GET", path: "/v1/arrays/:array/mismatches", takes: "name" },
  wait: { verb: "GET", path: "/v1/arrays/:array/wait", takes: "name" },
  events: { verb: "GET", path: "/v1/events", takes: "object" },
  create: { verb: "POST", path: "/v1/create", takes: "object" },
  build: { verb: "POST", path: "/v1/build", takes: "object" },
  assemble: { verb: "POST", path: "/v1/assemble", takes: "object" },
  include: { verb: "POST", path: "/v1/include", takes: "object" },
  run: { verb: "POST", path: "/v1/arrays/:array/run", takes: "name" },
  stop: { verb: "POST", path: "/v1/arrays/:array/stop", takes: "object" },
  set: { verb: "POST", path: "/v1/arrays/:array/set", takes: "object" },
  add: { verb: "POST", path: "/v1/arrays/:array/add", takes: "object" },
  remove: { verb: "POST", path: "/v1/arrays/:array/remove", takes: "object" },
  fail: { verb: "POST", path: "/v1/arrays/:array/fail", takes: "object" },
  replace: { verb: "POST", path: "/v1/arrays/:array/replace", takes: "object" },
  grow: { verb: "POST", path: "/v1/arrays/:array/grow", takes: "object" },
  zeroSuperblock: { verb: "POST", path: "/v1/zero-superblock", takes: "object" },
};

/** What the daemon tells of itself. */
export type OwnMethod = "version" | "health" | "figures";

export const OWN_ROUTES: Readonly<Record<OwnMethod, Route>> = {
  version: { verb: "GET", path: "/v1/version", takes: "nothing" },
  health: { verb: "GET", path: "/v1/health", takes: "nothing" },
  figures: { verb: "GET", path: "/v1/figures", takes: "nothing" },
};
