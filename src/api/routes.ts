/**
 * The control API, version 1: which request calls what. Everything else about a request follows from here and from schemas.ts, for the
 * server and the client alike.
 *
 *   GET   :array or :device from the path, the rest from the query
 *   POST  :array or :device from the path, the rest is a JSON object
 *
 * An array is named as ArrayHost says, with percent signs for slashes: /v1/arrays/md0, /v1/arrays/%2Fdev%2Fmd%2Fdata. So is a mapped device,
 * as MappedHost says.
 */
import type { HostMethod } from "../host/host-call.ts";

export interface Route {
  readonly verb: "GET" | "POST";
  readonly path: string;
  /** What the method takes: nothing, the name of the array or mapped device, or an object (its `array` or `device` stands in the path). */
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
  mappedDevices: { verb: "GET", path: "/v1/mapped", takes: "nothing" },
  mappedCreate: { verb: "POST", path: "/v1/mapped", takes: "object" },
  mappedDevice: { verb: "GET", path: "/v1/mapped/:device", takes: "name" },
  mappedStatus: { verb: "POST", path: "/v1/mapped/:device/status", takes: "object" },
  mappedWait: { verb: "GET", path: "/v1/mapped/:device/wait", takes: "object" },
  mappedLoad: { verb: "POST", path: "/v1/mapped/:device/load", takes: "object" },
  mappedClear: { verb: "POST", path: "/v1/mapped/:device/clear", takes: "name" },
  mappedSuspend: { verb: "POST", path: "/v1/mapped/:device/suspend", takes: "object" },
  mappedResume: { verb: "POST", path: "/v1/mapped/:device/resume", takes: "name" },
  mappedMessage: { verb: "POST", path: "/v1/mapped/:device/message", takes: "object" },
  mappedRename: { verb: "POST", path: "/v1/mapped/:device/rename", takes: "object" },
  mappedSetUuid: { verb: "POST", path: "/v1/mapped/:device/set-uuid", takes: "object" },
  mappedRemove: { verb: "POST", path: "/v1/mapped/:device/remove", takes: "object" },
  targetTypes: { verb: "GET", path: "/v1/target-types", takes: "nothing" },
};

/** What the daemon tells of itself. */
export type OwnMethod = "version" | "health" | "figures";

export const OWN_ROUTES: Readonly<Record<OwnMethod, Route>> = {
  version: { verb: "GET", path: "/v1/version", takes: "nothing" },
  health: { verb: "GET", path: "/v1/health", takes: "nothing" },
  figures: { verb: "GET", path: "/v1/figures", takes: "nothing" },
};

/** What a path's place for a name is called, without its colon: "array" or "device"; null: it has none. */
export function placeIn({ path }: Route): string | null {
  return /:(\w+)/.exec(path)?.[1] ?? null;
}
