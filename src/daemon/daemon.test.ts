/** The daemon in this process, on arrays of memory: what it remembers, what it says, and in which order it stops. */
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { memoryArrays } from "../../test/support/memory-arrays.ts";
import type { MemoryArrays } from "../../test/support/memory-arrays.ts";
import { NbdTestClient } from "../../test/support/nbd-client.ts";
import { testFolder } from "../../test/support/temp.ts";
import { connect } from "../api/client.ts";
import type { ApiClient } from "../api/client.ts";
import { HoldfastError } from "../base/errors.ts";
import type { RunningEngine } from "../engine/engine.ts";
import { LocalEngine } from "../engine/local-engine.ts";
import type { Env } from "../env/env.ts";
import type { PeerCredentials } from "../env/http.ts";
import { nodeEnv } from "../env/node/env.ts";
import type { AssembleCall } from "../host/array-host.ts";
import { startDaemon } from "./daemon.ts";
import type { Daemon, DaemonOptions } from "./daemon.ts";

const logged: string[] = [];
const base = nodeEnv({ log: { write: (level, line) => void logged.push(`${level}: ${line}`) } });

function assembly(kernelName: string, mode: AssembleCall["mode"] = "read-write"): AssembleCall {
  return {
    names: { kernelName, path: `/dev/${kernelName}` },
    devices: [`/disks/${kernelName}-a`, `/disks/${kernelName}-b`],
    mode,
    force: false,
    run: false,
    noDegraded: false,
    update: null,
  };
}

interface Running {
  readonly daemon: Daemon;
  readonly client: ApiClient;
}

async function daemonOn(
  stateFolder: string,
  arrays: MemoryArrays,
  changes: Partial<DaemonOptions> & { readonly env?: Env } = {},
): Promise<Running> {
  const { env = base, ...options } = changes;
  const loopDelays = () => ({ p50Ms: 1, p99Ms: 2, maxMs: 3 });
  const local = new LocalEngine(env, { backend: "tested", loopDelays, makeHost: arrays.make });
  const engine: RunningEngine = Object.assign(local, { died: new Promise<never>(() => {}) });
  const socketPath = join(stateFolder, "control.sock");
  const daemon = await startDaemon(env, engine, {
    stateFolder,
    socketPath,
    nbdPlaces: [],
    allowedUids: [],
    uid: process.getuid?.() ?? null,
    processId: 4711,
    ...options,
  });
  onTestFinished(async () => {
    await daemon.stop();
  });
  return { daemon, client: await connect(base, socketPath) };
}

function listed(folder: string): { readonly kernelName: string; readonly mode: string }[] {
  const { arrays } = JSON.parse(readFileSync(join(folder, "state.json"), "utf8")) as {
    arrays: { kernelName: string; mode: string }[];
  };
  return arrays;
}

const namesListed = (folder: string): string[] => listed(folder).map((one) => one.kernelName);

async function refusal(work: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await work.then(
    () => new Error("it did not fail"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HoldfastError);
  return error as HoldfastError;
}

describe("a daemon", () => {
  it("starts again what ran when it was stopped, in its mode, and serves it", async () => {
    const folder = join(testFolder("daemon"), "state");
    const arrays = memoryArrays();
    const first = await daemonOn(folder, arrays);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await first.client.assemble(assembly("md0"));
    await first.client.assemble(assembly("md1", "read-only"));
    await first.client.assemble(assembly("md2"));
    await first.client.stop({ array: "/dev/md2", force: false });
    expect(listed(folder)).toMatchObject([
      { kernelName: "md0", mode: "read-write", devices: ["/disks/md0-a", "/disks/md0-b"] },
      { kernelName: "md1", mode: "read-only" },
    ]);
    expect(statSync(join(folder, "state.json")).mode & 0o777).toBe(0o600);
    const before = logged.length;
    await first.daemon.stop();
    // That arrays stop is not written down, nor tried.
    expect(logged.slice(before)).toEqual([]);
    expect(readdirSync(folder).toSorted()).toEqual(["lock", "state.json"]);
    expect(namesListed(folder)).toEqual(["md0", "md1"]);

    const second = await daemonOn(folder, arrays);
    expect((await second.client.arrays()).map(({ kernelName }) => kernelName)).toEqual([
      "md0",
      "md1",
    ]);
    const address = { kind: "unix", path: second.daemon.nbdSocketPath } as const;
    const client = await NbdTestClient.open(address, { name: "md0" });
    client.socket.once("end", () => client.destroy());
    expect(await client.errno({ type: 0, offset: 0, length: 512 })).toBe(0);
    expect(await second.client.health()).toMatchObject({
      status: "ok",
      exports: [{ name: "md0", clients: 1 }, { name: "md1" }],
    });
    const busy = await refusal(second.client.stop({ array: "md0", force: false }));
    expect(busy.code).toBe("busy");
  });

  it("keeps what cannot be started, says so, and forgets it when it is stopped by name", async () => {
    const folder = testFolder("daemon");
    const arrays = memoryArrays();
    const first = await daemonOn(folder, arrays);
    await first.client.assemble(assembly("md0"));
    await first.client.assemble(assembly("md1"));
    await first.daemon.stop();
    arrays.broken.add("/disks/md0-b");
    const second = await daemonOn(folder, arrays);
    const why = "/dev/md0 was not started: /disks/md0-b is gone.";
    expect(await second.client.health()).toMatchObject({ status: "trouble", problems: [why] });
    expect(logged).toContain(`warning: ${why}`);
    expect(namesListed(folder)).toEqual(["md1", "md0"]);
    await second.daemon.stop();

    // The disk is back.
    arrays.broken.clear();
    const third = await daemonOn(folder, arrays);
    expect((await third.client.health()).status).toBe("ok");
    await third.daemon.stop();

    arrays.broken.add("/disks/md0-b");
    const fourth = await daemonOn(folder, arrays);
    const stranger = await refusal(fourth.client.stop({ array: "md7", force: false }));
    expect(stranger.code).toBe("not-found");
    await fourth.client.stop({ array: "/dev/md0", force: false });
    expect(namesListed(folder)).toEqual(["md1"]);
    expect((await fourth.client.health()).status).toBe("ok");
  });

  it("does not list twice what was started by hand after all", async () => {
    const folder = testFolder("daemon");
    const arrays = memoryArrays();
    const first = await daemonOn(folder, arrays);
    await first.client.assemble(assembly("md0"));
    await first.daemon.stop();
    arrays.broken.add("/disks/md0-b");
    const second = await daemonOn(folder, arrays);
    arrays.broken.clear();
    await second.client.assemble(assembly("md0"));
    expect(namesListed(folder)).toEqual(["md0"]);
    expect((await second.client.health()).status).toBe("ok");
  });

  it.each([
    ["torn", `{"version":1,"arrays":[{"kernelNa`],
    ["empty", ""],
    ["foreign", `<?xml version="1.0"?>`],
    ["of a later version", `{"version":2,"arrays":[]}`],
    ["with a field missing", `{"version":1,"arrays":[{"kernelName":"md0"}]}`],
  ])("does not start on a state file that is %s, and leaves it alone", async (_what, text) => {
    const folder = testFolder("daemon");
    const path = join(folder, "state.json");
    writeFileSync(path, text);
    const arrays = memoryArrays();
    const error = await refusal(daemonOn(folder, arrays));
    expect(error.code).toBe("bad-metadata");
    expect(error.message).toContain(`${path} is damaged`);
    expect(error.message).toContain("move it away");
    expect(readFileSync(path, "utf8")).toBe(text);
    // Nothing is held back: it starts once the file is away.
    writeFileSync(path, `{"version":1,"arrays":[]}`);
    await daemonOn(folder, arrays);
  });

  it("has its state folder for itself", async () => {
    const folder = testFolder("daemon");
    const { daemon } = await daemonOn(folder, memoryArrays());
    const error = await refusal(daemonOn(folder, memoryArrays()));
    expect(error.code).toBe("busy");
    expect(error.message).toContain("process 4711");
    // The one that was refused has not touched the other's sockets.
    expect(existsSync(daemon.socketPath)).toBe(true);
    await daemon.stop();
    await daemonOn(folder, memoryArrays());
  });

  it("lets nobody in whom the configuration does not list", async () => {
    const peers: PeerCredentials[] = [];
    const env: Env = {
      ...base,
      http: {
        ...base.http,
        serve: (path, serving) =>
          base.http.serve(path, {
            ...serving,
            answer: (request) => serving.answer({ ...request, peer: peers.at(-1) ?? null }),
          }),
      },
    };
    const options = { env, uid: 1000, allowedUids: [1001] };
    const { client } = await daemonOn(testFolder("daemon"), memoryArrays(), options);
    for (const uid of [0, 1000, 1001]) {
      peers.push({ uid, gid: 1 });
      expect(await client.arrays()).toEqual([]);
    }
    peers.push({ uid: 1002, gid: 1000 });
    const error = await refusal(client.arrays());
    expect(error.code).toBe("permission");
    expect(error.message).toContain("User 1002");
  });

  it("answers those who wait for events when it is stopped", async () => {
    const { daemon, client } = await daemonOn(testFolder("daemon"), memoryArrays());
    const waiting = client.events({ after: 0, waitMs: 600_000 });
    await client.arrays();
    await daemon.stop();
    // By then they have their answer, or know that nobody will give one.
    await waiting.catch((error: unknown) => expect(error).toBeInstanceOf(HoldfastError));
    expect((await refusal(client.arrays())).code).toBe("not-found");
  });

  it("says that what runs could not be written down, and does it once it can", async () => {
    const folder = testFolder("daemon");
    let isFull = false;
    const env: Env = {
      ...base,
      files: {
        ...base.files,
        replace: (...given) =>
          isFull
            ? Promise.reject(new HoldfastError("no-space", "The disk is full."))
            : base.files.replace(...given),
      },
    };
    const { client } = await daemonOn(folder, memoryArrays(), { env });
    isFull = true;
    await client.assemble(assembly("md0"));
    const { status, problems } = await client.health();
    expect(status).toBe("trouble");
    expect(problems.join()).toContain("The disk is full.");
    isFull = false;
    await client.assemble(assembly("md1"));
    expect(namesListed(folder)).toEqual(["md0", "md1"]);
    expect((await client.health()).status).toBe("ok");
  });
});
