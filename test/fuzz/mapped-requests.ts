/** Requests for mapped devices by chance: good ones for each route, and what becomes of them when fields, JSON and paths are spoilt. */
import { HOST_ROUTES } from "../../src/api/routes.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { HostArgument, HostMethod } from "../../src/host/host-call.ts";
import { randomMessage, randomTable } from "./dm-tables.ts";
import { mutateBytes } from "./mutate.ts";

/** Those that tables name, in the order of the machine's. */
export const DISKS: readonly string[] = ["a", "b", "c", "meta", "cow", "log"];
export const DISK_SECTORS = 512;

export interface SpoiltRequest {
  readonly verb: string;
  readonly target: string;
  readonly body: Uint8Array | null;
  /** For a message. */
  readonly text: string;
}

type Fields = Readonly<Record<string, unknown>>;
type MappedMethod = Extract<HostMethod, `mapped${string}`>;

const NAMES = ["below", "self", "v", "dm-0", "/dev/dm-1", "/dev/mapper/v", "254:0"] as const;

function table(prng: Prng): string {
  const text = randomTable(prng).replaceAll(/\.\/(\w+)/g, (_all, name: string) => {
    const index = DISKS.indexOf(name);
    return `/disks/${index < 0 ? name : `d${index}`}`;
  });
  if (prng.chance(0.9)) return text;
  const at = prng.below(text.length);
  return text.slice(0, at) + prng.pick(["\u0000", "\ud800", "\r", "/"]) + text.slice(at);
}

/** What is good to say, but for the device. */
const GOOD: {
  readonly [M in MappedMethod]: (prng: Prng) => Omit<HostArgument<M> & object, "device"> | null;
} = {
  mappedDevices: () => null,
  mappedDevice: () => null,
  mappedClear: () => null,
  mappedResume: () => null,
  mappedCreate: (prng) => ({
    name: prng.pick(["below", "self", "v"]),
    uuid: prng.pick(["", "", "LVM-x", "other"]),
    minor: prng.pick([null, null, 0, 7]),
    table: prng.chance(0.2) ? null : table(prng),
    readOnly: prng.chance(0.1),
  }),
  mappedLoad: (prng) => ({ table: table(prng), readOnly: prng.chance(0.1) }),
  mappedSuspend: (prng) => ({ noFlush: prng.chance(0.5), noLockFs: prng.chance(0.5) }),
  mappedStatus: (prng) => ({ inactive: prng.chance(0.3), noFlush: prng.chance(0.5) }),
  mappedMessage: (prng) => ({
    sector: prng.pick([0, 0, 0, 1, 255, 2 ** 53 - 1]),
    words: randomMessage(prng),
  }),
  mappedRename: (prng) => ({ name: prng.pick(["below", "v", "a b", "é"]) }),
  mappedSetUuid: (prng) => ({ uuid: prng.pick(["LVM-x", "other"]) }),
  mappedRemove: (prng) => ({ deferred: prng.chance(0.5) }),
  mappedWait: (prng) => ({ event: prng.below(4) }),
};

const METHODS = Object.keys(GOOD) as readonly MappedMethod[];
/** More often, so that there is something to refuse things to. */
const COMMON: readonly MappedMethod[] = ["mappedLoad", "mappedResume"];

const VALUES: readonly unknown[] = [
  null,
  true,
  "",
  "x".repeat(5000),
  "\u0000",
  "\ud800",
  "a/b",
  "..",
  "control",
  0,
  -1,
  0.5,
  2 ** 53,
  1e308,
  [],
  [null],
  {},
  { toString: 1 },
  "__proto__",
];

const PATHS: readonly string[] = [
  "%",
  "%zz",
  "%00",
  "%2F",
  "..",
  ".",
  "",
  "a%20b",
  "x".repeat(300),
  "__proto__",
  "?event=0",
  "#",
  "\\",
  "é",
];

const TARGETS: readonly string[] = ["", "//", "http://[", "*", "/v1/mapped//", "/v1/mapped/v/none"];

function spoiltFields(prng: Prng, fields: Fields): Fields {
  const entries = Object.entries(fields);
  const index = prng.below(entries.length + 1);
  const value = prng.pick(VALUES);
  if (index === entries.length)
    entries.push([prng.pick(["device", "extra", "__proto__", "toString"]), value]);
  else if (prng.chance(0.3)) entries.splice(index, 1);
  else entries[index] = [entries[index]![0], value];
  return Object.fromEntries(entries);
}

function spoiltBytes(prng: Prng, text: string): Uint8Array | null {
  const bytes = new TextEncoder().encode(text);
  switch (prng.below(5)) {
    case 0:
      return bytes.subarray(0, prng.below(bytes.length + 1));
    case 1:
      return new TextEncoder().encode(
        prng.pick(["null", "[]", "3", '"x"', "{", "[".repeat(50_000), `{"a":`.repeat(5000)]),
      );
    case 2:
      return null;
    default: {
      const spoilt = bytes.slice();
      mutateBytes(prng, spoilt);
      return spoilt;
    }
  }
}

function targetOf(prng: Prng, path: string, fields: Fields | null): string {
  const name = prng.chance(0.05) ? prng.pick(PATHS) : encodeURIComponent(prng.pick(NAMES));
  const target = path.replace(":device", () => name);
  if (prng.chance(0.01)) return prng.pick(TARGETS);
  if (fields === null) return target;
  const query = Object.entries(fields).map(
    ([key, value]) =>
      `${key}=${prng.chance(0.1) ? prng.pick(PATHS) : encodeURIComponent(JSON.stringify(value))}`,
  );
  return `${target}?${query.join("&")}`;
}

/** So that there is something to ask for. */
export const FIRST: readonly SpoiltRequest[] = [
  ["below", "0 256 thin-pool /disks/d3 /disks/d2 128 0"],
  ["v", "0 256 linear /disks/d0 8"],
].map(([name, lines]) => {
  const fields = { name, uuid: "", minor: null, table: lines, readOnly: false };
  const body = new TextEncoder().encode(JSON.stringify(fields));
  return { verb: "POST", target: "/v1/mapped", body, text: `create ${name}` };
});

export function randomRequest(prng: Prng): SpoiltRequest {
  const method = prng.pick(prng.chance(0.4) ? COMMON : METHODS);
  const route = HOST_ROUTES[method];
  const good: Fields | null = GOOD[method](prng);
  const fields = prng.chance(0.25) ? spoiltFields(prng, good ?? {}) : good;
  const json = fields === null ? "" : JSON.stringify(fields);
  const isGet = route.verb === "GET";
  const target = targetOf(prng, route.path, isGet ? fields : null);
  const verb = prng.chance(0.02) ? prng.pick(["GET", "POST", "PUT", "x"]) : route.verb;
  const body = prng.chance(0.1) ? spoiltBytes(prng, json) : new TextEncoder().encode(json);
  return { verb, target, body, text: `${verb} ${target} ${json.slice(0, 300)}` };
}
