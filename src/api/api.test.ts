/** Client and server of the control API over a real unix socket: every method goes through, and what is wrong is refused in a sentence. */
import { existsSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { goldenCase } from "../../test/support/golden.ts";
import { recordedView } from "../../test/support/array-view.ts";
import { fakeHost } from "../../test/support/fake-host.ts";
import type { FakeHost } from "../../test/support/fake-host.ts";
import { testFolder } from "../../test/support/temp.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import { nodeEnv } from "../env/node/env.ts";
import type { PeerCredentials } from "../env/http.ts";
import type { Host, HostCall, HostMethod } from "../host/host-call.ts";
import { connect } from "./client.ts";
import { API_VERSION } from "./own-answers.ts";
import type { OwnAnswers } from "./own-answers.ts";
import { HOST_ROUTES } from "./routes.ts";
import { MAX_REQUEST_BYTES, apiServer } from "./server.ts";
import { statusOf } from "./statuses.ts";

const env = nodeEnv();

const OWN: OwnAnswers = {
  version: async () => ({ name: "holdfast", version: "1", api: API_VERSION, processId: 7 }),
  health: async () => ({ status: "ok", stateFolder: "/s", exports: [], problems: [] }),
  figures: () => Promise.reject(new Error("not expected")),
};

interface Served {
  readonly socket: string;
  readonly fake: FakeHost;
  readonly logged: string[];
  readonly peers: (PeerCredentials | null)[];
}

async function serving(
  answers: Partial<Host> = {},
  own: Partial<OwnAnswers> = {},
): Promise<Served> {
  const socket = join(testFolder("api"), "s");
  const fake = fakeHost(answers);
  const logged: string[] = [];
  const peers: (PeerCredentials | null)[] = [];
  const answer = apiServer({
    host: fake.host,
    own: { ...OWN, ...own },
    admit: (peer) => void peers.push(peer),
    log: { write: (level, line) => void logged.push(`${level}: ${line}`) },
  });
  const listener = await env.http.serve(socket, { maxBodyBytes: MAX_REQUEST_BYTES, answer });
  onTestFinished(() => {
    listener.close();
    listener.cut();
  });
  return { socket, fake, logged, peers };
}

/** As any HTTP client may ask. */
function ask(
  socketPath: string,
  method: string,
  path: string,
  body: string | null = null,
): Promise<{ status: number; value: { code?: unknown; message?: unknown } }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, agent: false }, (response) => {
      let text = "";
      response.on("data", (piece) => (text += String(piece)));
      response.on("end", () =>
        resolve({ status: response.statusCode!, value: JSON.parse(text) as object }),
      );
    });
    request.once("error", reject);
    request.end(body ?? undefined);
  });
}

const view = recordedView(
  Object.values(goldenCase("raid5-3-spare-dataoffset2m").views[0]!.volumes)[0]!,
)!;
const names = { kernelName: "md0", path: null };
const array = "/dev/md/a b%";
const device = "/disks/Ä 1.img";
const mapped = "vg-lv ä/%";
const newDevice = { path: device, writeMostly: true, failFast: false, dataOffsetSectors: null };
const bitmap = { chunkSectors: null, delaySeconds: 5, writeBehind: 0 };

/** An argument for each method. */
const CALLS: { readonly [M in HostMethod]: HostCall & { readonly method: M } } = {
  arrays: { method: "arrays", argument: undefined },
  array: { method: "array", argument: array },
  run: { method: "run", argument: array },
  mismatches: { method: "mismatches", argument: array },
  wait: { method: "wait", argument: array },
  create: {
    method: "create",
    argument: {
      names,
      devices: [newDevice, null],
      journal: null,
      version: "1.2",
      level: "raid5",
      layout: 2,
      chunkSectors: 1024,
      raidDisks: 3,
      spareDisks: 0,
      componentSectors: null,
      dataOffsetSectors: null,
      bitmap,
      consistencyPolicy: null,
      assumeClean: false,
      force: true,
      name: "host:data",
      homehost: null,
      uuid: "00112233445566778899aabbccddeeff",
      readOnly: false,
      writeZeroes: false,
      dryRun: true,
    },
  },
  build: {
    method: "build",
    argument: {
      names,
      devices: [newDevice],
      level: "linear",
      layout: null,
      chunkSectors: null,
      componentSectors: null,
      assumeClean: true,
    },
  },
  assemble: {
    method: "assemble",
    argument: {
      names,
      devices: [device],
      mode: "read-auto",
      force: false,
      run: true,
      noDegraded: false,
      update: { kind: "name", value: "x" },
    },
  },
  include: { method: "include", argument: { names, device, mode: "read-write", run: false } },
  stop: { method: "stop", argument: { array, force: true } },
  set: {
    method: "set",
    argument: {
      array,
      action: {
        kind: "member",
        folder: "dev-sda",
        action: { kind: "state", word: "faulty", on: true },
      },
    },
  },
  add: {
    method: "add",
    argument: { array, device, as: "re-add", writeMostly: null, failFast: true, update: "bbl" },
  },
  remove: { method: "remove", argument: { array, device } },
  fail: { method: "fail", argument: { array, device } },
  replace: { method: "replace", argument: { array, device, with: null } },
  grow: { method: "grow", argument: { kind: "bitmap", array, bitmap: null } },
  events: { method: "events", argument: { after: 3, waitMs: 0 } },
  zeroSuperblock: { method: "zeroSuperblock", argument: { device, force: false } },
  mappedDevices: { method: "mappedDevices", argument: undefined },
  mappedDevice: { method: "mappedDevice", argument: mapped },
  mappedCreate: {
    method: "mappedCreate",
    argument: { name: mapped, uuid: "", minor: 7, table: "0 8 zero\n8 8 error", readOnly: true },
  },
  mappedLoad: {
    method: "mappedLoad",
    argument: { device: mapped, table: "0 8 zero", readOnly: false },
  },
  mappedClear: { method: "mappedClear", argument: mapped },
  mappedSuspend: {
    method: "mappedSuspend",
    argument: { device: mapped, noFlush: true, noLockFs: false },
  },
  mappedResume: { method: "mappedResume", argument: mapped },
  mappedStatus: {
    method: "mappedStatus",
    argument: { device: mapped, inactive: false, noFlush: true },
  },
  mappedMessage: {
    method: "mappedMessage",
    argument: { device: mapped, sector: 8, words: ["create_thin", "0"] },
  },
  mappedRename: { method: "mappedRename", argument: { device: mapped, name: "other" } },
  mappedSetUuid: { method: "mappedSetUuid", argument: { device: mapped, uuid: "LVM-x" } },
  mappedRemove: { method: "mappedRemove", argument: { device: mapped, deferred: true } },
  mappedWait: { method: "mappedWait", argument: { device: mapped, event: 3 } },
  targetTypes: { method: "targetTypes", argument: undefined },
};

async function failure(work: Promise<unknown>): Promise<{ code: unknown; message: string }> {
  const error: unknown = await work.then(
    () => new Error("it did not fail"),
    (thrown: unknown) => thrown,
  );
  const { message } = error as Error;
  return { code: error instanceof HoldfastError ? error.code : null, message };
}

describe("every method of a host", () => {
  it.each(Object.values(CALLS))("$method comes out as it went in", async (call) => {
    const answer = { text: "ä", none: null };
    const { socket, fake } = await serving({ [call.method]: () => Promise.resolve(answer) });
    const client = await connect(env, socket);
    const method = client[call.method] as (argument: unknown) => Promise<unknown>;
    expect(await method(call.argument)).toEqual(answer);
    expect(fake.calls).toEqual([call]);
  });

  it("that gives nothing resolves to undefined", async () => {
    const { socket } = await serving({ remove: () => Promise.resolve() });
    const client = await connect(env, socket);
    expect(await client.remove({ array: "md0", device })).toBeUndefined();
  });

  it("gives views as they are", async () => {
    const { socket } = await serving({ arrays: () => Promise.resolve([view]) });
    expect(await (await connect(env, socket)).arrays()).toEqual([view]);
  });

  it("has a way of its own", () => {
    const ways = Object.values(HOST_ROUTES).map(({ verb, path }) => `${verb} ${path}`);
    expect(new Set(ways).size).toBe(ways.length);
  });
});

describe("errors", () => {
  it("come back as they were thrown, with the status of their code", async () => {
    const error = new HoldfastError("busy", "/dev/md0 is open in 2 clients.");
    const { socket } = await serving({ run: () => Promise.reject(error) });
    const client = await connect(env, socket);
    expect(await failure(client.run("md0"))).toEqual({ code: "busy", message: error.message });
    expect(await ask(socket, "POST", "/v1/arrays/md0/run")).toEqual({
      status: 409,
      value: { code: "busy", message: error.message },
    });
  });

  it("that are mistakes of ours are logged with where, and are no HoldfastErrors", async () => {
    const { socket, logged } = await serving({
      arrays: () => Promise.reject(new TypeError("x is undefined")),
    });
    const client = await connect(env, socket);
    const { code, message } = await failure(client.arrays());
    expect(code).toBeNull();
    expect(message).toContain("x is undefined");
    expect(logged.join()).toContain("api.test.ts");
  });

  it("all have a status of a failure", () => {
    const codes: ErrorCode[] = ["usage", "not-found", "io", "busy", "shutdown"];
    expect(codes.map(statusOf)).toEqual([400, 404, 500, 409, 503]);
  });
});

const STOP = "/v1/arrays/md0/stop";

describe("bad requests are refused in a sentence, and reach nobody", () => {
  it.each([
    ["GET", "/v1/nonsense", null, 404, "nothing at /v1/nonsense"],
    ["GET", "/", null, 404, "nothing at /"],
    ["GET", "/v1/arrays//mismatches", null, 404, "nothing at"],
    ["DELETE", "/v1/arrays/md0", null, 405, "takes GET, not DELETE"],
    ["GET", STOP, null, 405, "takes POST, not GET"],
    ["POST", STOP, "{", 400, "is no JSON"],
    ["POST", STOP, "[]", 400, "must be a JSON object"],
    ["POST", STOP, `"force"`, 400, "must be a JSON object"],
    ["POST", STOP, `{"force":1}`, 400, "'force': expected boolean"],
    ["POST", STOP, `{}`, 400, "'force'"],
    ["POST", STOP, `{"force":true,"forec":true}`, 400, "unknown field 'forec'"],
    ["POST", STOP, `{"force":true,"__proto__":{}}`, 400, "unknown field '__proto__'"],
    ["POST", STOP, `{"force":true,"array":"md1"}`, 400, "named in the path"],
    ["POST", "/v1/arrays/%zz/stop", `{"force":true}`, 400, "percent sign"],
    ["POST", "/v1/arrays/md0/run", `{"force":true}`, 400, "takes nothing, and 'force' was given"],
    ["GET", "/v1/arrays?x=1", null, 400, "takes nothing, and 'x' was given"],
    ["GET", "/v1/events?after=x&waitMs=0", null, 400, "'after'"],
    ["GET", "/v1/events?after=0&waitMs=99999999", null, 400, "'waitMs'"],
    [
      "POST",
      "/v1/include",
      `{"names":{"kernelName":null,"path":null,"minor":3},"device":"d","mode":"read-write","run":true}`,
      400,
      "unknown field 'minor' in 'names'",
    ],
    ["POST", "/v1/arrays/md0/grow", `{"kind":"level"}`, 400, "'kind'"],
    [
      "POST",
      "/v1/zero-superblock",
      `{"device":"d0.img","force":true}`,
      400,
      "'device': an absolute path is expected",
    ],
  ])("%s %s %s", async (verb, path, body, status, words) => {
    const { socket, fake } = await serving();
    const answer = await ask(socket, verb, path, body);
    expect(answer.status).toBe(status);
    expect(answer.value.code).toBe(status === 404 ? "not-found" : "usage");
    expect(answer.value.message).toContain(words);
    expect(answer.value.message).toMatch(/\.$/);
    expect(fake.calls).toEqual([]);
  });

  it("that are too long are not read", async () => {
    const { socket, fake } = await serving();
    const body = `{"force":"${"x".repeat(MAX_REQUEST_BYTES)}"}`;
    const answer = await ask(socket, "POST", STOP, body);
    expect(answer.status).toBe(400);
    expect(answer.value.message).toContain("at most 1048576 bytes");
    expect(fake.calls).toEqual([]);
  });

  it("that are not HTTP do not hurt others", async () => {
    const { socket } = await serving({ arrays: () => Promise.resolve([]) });
    const raw = net.connect(socket);
    await new Promise((resolve) => {
      raw.on("close", resolve).resume();
      raw.write("\0\xff hello\r\n\r\n");
    });
    expect(await (await connect(env, socket)).arrays()).toEqual([]);
  });
});

describe("the socket", () => {
  it("is its owner's alone, tells who asks, and is gone when it is closed", async () => {
    const { socket, peers } = await serving();
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    await connect(env, socket);
    const uid = process.getuid?.();
    if (process.platform === "linux") expect(peers).toMatchObject([{ uid }]);
  });

  it("that was left behind is replaced; a file is not", async () => {
    const socket = join(testFolder("api"), "s");
    writeFileSync(socket, "");
    const answer = () => Promise.resolve({ status: 200, body: "null" });
    const refused = await failure(env.http.serve(socket, { maxBodyBytes: 1, answer }));
    expect(refused.code).toBe("busy");
    expect(existsSync(socket)).toBe(true);
  });

  it("of a daemon that is not there is told so, with what to do", async () => {
    const nowhere = join(testFolder("api"), "s");
    const { code, message } = await failure(connect(env, nowhere));
    expect(code).toBe("not-found");
    expect(message).toContain("holdfast daemon");
    expect(message).toContain(nowhere);
  });

  it("of something else is told so", async () => {
    const socket = join(testFolder("api"), "s");
    const answer = () => Promise.resolve({ status: 200, body: "<html>" });
    const listener = await env.http.serve(socket, { maxBodyBytes: 1, answer });
    onTestFinished(() => {
      listener.close();
      listener.cut();
    });
    expect(await failure(connect(env, socket))).toMatchObject({ code: "protocol" });
  });

  it("of another version is told so", async () => {
    const version: OwnAnswers["version"] = async () => ({ ...(await OWN.version()), api: 99 });
    const { socket } = await serving({}, { version });
    expect(await failure(connect(env, socket))).toMatchObject({ code: "protocol" });
  });

  it("closed under a request ends it with an error", async () => {
    const socket = join(testFolder("api"), "s");
    let asked: (value: unknown) => void;
    const underWay = new Promise((resolve) => (asked = resolve));
    const answer = (): Promise<never> => {
      asked(null);
      return new Promise(() => {});
    };
    const listener = await env.http.serve(socket, { maxBodyBytes: 1, answer });
    const waiting = failure(env.http.request(socket, { verb: "GET", target: "/", body: null }));
    await underWay;
    listener.close();
    expect(existsSync(socket)).toBe(false);
    listener.cut();
    expect((await waiting).code).toBe("io");
  });
});
