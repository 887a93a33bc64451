/** An engine in this thread, on real files and sockets: what it opens, serves, counts and gives back. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeBackends } from "../../test/support/backends.ts";
import { goldenCase, sha256, unpackToFolder } from "../../test/support/golden.ts";
import type { UnpackedCase } from "../../test/support/golden.ts";
import { readSets } from "../../test/support/open.ts";
import { NbdTestClient } from "../../test/support/nbd-client.ts";
import { memoryArrays } from "../../test/support/memory-arrays.ts";
import { testFolder } from "../../test/support/temp.ts";
import type { SocketAddress } from "../env/sockets.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import { nodeEnv } from "../env/node/env.ts";
import type { Engine, OpenCall, ServeCall } from "./engine.ts";
import { LocalEngine } from "./local-engine.ts";

const golden = goldenCase("raid5-4-ext4");
const volumeSha256 = golden.views.find(({ name }) => name === "all")!.volumes["volume"]!.sha256;
let disks: UnpackedCase;
beforeAll(() => {
  disks = unpackToFolder(golden);
});
afterAll(() => disks.remove());

/** The environment with a count of the files that are open. */
function counting(env: Env): { readonly env: Env; readonly open: () => number } {
  let open = 0;
  const files: Env["files"] = {
    ...env.files,
    async open(path, mode) {
      const file = await env.files.open(path, mode);
      open += 1;
      const close = file.close.bind(file);
      file.close = () => {
        open -= 1;
        return close();
      };
      return file;
    },
  };
  return { env: { ...env, files }, open: () => open };
}

function engineOn(env: Env): Engine {
  const loopDelays = () => ({ p50Ms: 1, p99Ms: 2, maxMs: 3 });
  return new LocalEngine(env, { backend: "tested", loopDelays });
}

/** All disks but one, so that reading has to compute. */
function degraded(access: OpenCall["access"] = { kind: "read-only" }): OpenCall {
  const paths = disks.disks.filter((_path, index) => index !== 1);
  return { request: { paths, force: false }, access };
}

function serveCall(volume: string): ServeCall & { readonly listen: { kind: "unix" } } {
  const path = join(testFolder("engine"), "s");
  return { listen: { kind: "unix", path }, exports: [{ volume, name: "e", description: "d" }] };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((thrown: unknown) => thrown);
  if (!(error instanceof HoldfastError)) throw new Error("not refused");
  return error.code;
}

describeBackends((backend) => {
  it("opens, serves, counts and stops, and what it says can be cloned", async () => {
    const { env, open } = counting(backend.env);
    const engine = engineOn(env);
    expect(await engine.figures()).toMatchObject({ nbd: null, arena: null, backend: "tested" });

    const opened = await engine.open(degraded());
    expect(opened.volumes).toMatchObject([{ name: "gold", readOnly: true }]);
    expect(structuredClone(opened)).toEqual(opened);
    const call = serveCall("gold");
    const serving = await engine.serve(call);
    expect(serving.address).toEqual(call.listen);
    expect(serving.uris).toEqual([`nbd+unix:///e?socket=${call.listen.path}`]);

    const client = await NbdTestClient.open(serving.address, { name: "e" });
    const { sizeBytes } = opened.volumes[0]!;
    const pieces: Buffer[] = [];
    for (let offset = 0; offset < sizeBytes; offset += 1 << 20) {
      const [chunk] = await client.call({ type: 0, offset, length: 1 << 20 });
      pieces.push(chunk!.payload);
    }
    expect(sha256(Buffer.concat(pieces))).toBe(volumeSha256);

    const figures = await engine.figures();
    expect(figures).toMatchObject({
      nbd: { connections: 1, accepted: 1, requests: sizeBytes / (1 << 20), readBytes: sizeBytes },
      loopDelay: { p50Ms: 1, p99Ms: 2, maxMs: 3 },
    });
    expect(figures.arena!.peakBytes).toBeGreaterThan(0);
    expect(structuredClone(figures)).toEqual(figures);

    client.destroy();
    const last = await engine.stop();
    expect(last.figures).toMatchObject({ nbd: { connections: 0, readBytes: sizeBytes } });
    expect(open()).toBe(0);
    expect(existsSync(call.listen.path)).toBe(false);
  });

  it("lays overlays over volumes, and takes their files away", async () => {
    const { env, open } = counting(backend.env);
    const folder = testFolder("overlay");
    const engine = engineOn(env);
    const { volumes } = await engine.open(degraded({ kind: "overlay", folder }));
    expect(volumes).toMatchObject([{ readOnly: false }]);
    expect(readdirSync(folder)).toHaveLength(1);
    const { address } = await engine.serve(serveCall("gold"));
    const client = await NbdTestClient.open(address, { name: "e" });
    expect(await client.errno({ type: 1, data: Buffer.alloc(4096, 7) })).toBe(0);
    client.destroy();
    await engine.stop();
    expect(readdirSync(folder)).toEqual([]);
    expect(open()).toBe(0);
  });

  it("does the resync that a crash has left, says how far it is, and leaves clean members", async () => {
    const { env, open } = counting(backend.env);
    const crashed = unpackToFolder(goldenCase("crash-raid5-4-bitmap"));
    const { disks: paths } = crashed;
    const engine = engineOn(env);
    const request = { paths, force: false };
    const { volumes } = await engine.open({ request, access: { kind: "read-write" } });
    expect(volumes).toMatchObject([{ readOnly: false }]);
    let { arrays } = await engine.figures();
    expect(arrays).toMatchObject([{ volume: volumes[0]!.name, degradedBy: 0 }]);
    expect(arrays[0]!.sync).not.toBeNull();
    while (arrays[0]!.sync !== null) {
      expect(arrays[0]!.sync.action).toBe("resync");
      await new Promise((resolve) => void backend.env.timers.set(0, () => resolve(null)));
      ({ arrays } = await engine.figures());
    }
    await engine.stop();
    expect(open()).toBe(0);
    const whole = await readSets(paths);
    expect(whole.volumes[0]?.report.state).toBe("clean");
    for (const lost of paths) {
      const { volumes: rest } = await readSets(paths.filter((path) => path !== lost));
      expect(rest[0]?.sha256).toBe(whole.volumes[0]?.sha256);
    }
    crashed.remove();
  });

  it("does not start what it may not write to", async () => {
    const files: Env["files"] = {
      ...backend.env.files,
      open: (path, mode) =>
        mode === "read-write" && path.endsWith("d2.img")
          ? Promise.reject(new HoldfastError("permission", `${path} may not be written.`))
          : backend.env.files.open(path, mode),
    };
    const { env, open } = counting({ ...backend.env, files });
    const engine = engineOn(env);
    const request = { paths: disks.disks, force: false };
    const { volumes, refused } = await engine.open({ request, access: { kind: "read-write" } });
    expect(volumes).toEqual([]);
    expect(refused[0]?.verdict).toMatchObject({
      kind: "cannot-start",
      reason: expect.stringMatching(/d2\.img may not be written/) as string,
    });
    await engine.stop();
    expect(open()).toBe(0);
  });

  it("closes what a call has opened when the call fails", async () => {
    const { env, open } = counting(backend.env);
    const engine = engineOn(env);
    const folder = join(testFolder("overlay"), "not there");
    expect(await codeOf(engine.open(degraded({ kind: "overlay", folder })))).toBe("not-found");
    expect(open()).toBe(0);
    // A name that is taken: the second call leaves the first one's volume as it is.
    await engine.open(degraded());
    const before = open();
    expect(await codeOf(engine.open(degraded()))).toBe("usage");
    expect(open()).toBe(before);
    await engine.serve(serveCall("gold"));
    await engine.stop();
    expect(open()).toBe(0);
  });
});

describe("an engine", () => {
  const start = async (): Promise<Engine> => engineOn(nodeEnv());

  it("serves once, and only what is open", async () => {
    const engine = await start();
    await engine.open(degraded());
    expect(await codeOf(engine.serve(serveCall("silver")))).toBe("not-found");
    await engine.serve(serveCall("gold"));
    expect(await codeOf(engine.serve(serveCall("gold")))).toBe("busy");
    await engine.stop();
  });

  it("finishes what was asked before the stop, refuses what comes after, and stops once", async () => {
    const engine = await start();
    const opened = engine.open(degraded());
    const stopped = engine.stop();
    expect(engine.stop()).toBe(stopped);
    const late = [engine.open(degraded()), engine.serve(serveCall("gold")), engine.figures()];
    for (const one of late) expect(await codeOf(one)).toBe("shutdown");
    expect((await opened).volumes).toHaveLength(1);
    expect((await stopped).figures).toMatchObject({ nbd: null });
  });
});

/** A client that closes when the server has said goodbye. */
async function polite(address: SocketAddress, name: string): Promise<NbdTestClient> {
  const client = await NbdTestClient.open(address, { name });
  client.socket.once("end", () => client.destroy());
  return client;
}

describe("arrays", () => {
  const loopDelays = () => ({ p50Ms: 1, p99Ms: 2, maxMs: 3 });
  const assemble = (kernelName: string) => ({
    method: "assemble" as const,
    argument: { names: { kernelName, path: null }, devices: ["a", "b"], mode: "read-write" },
  });

  it("are exported while they run, busy while a client has them open, and stopped after the server", async () => {
    const arrays = memoryArrays();
    const engine = new LocalEngine(nodeEnv(), {
      backend: "tested",
      loopDelays,
      makeHost: arrays.make,
    });
    const path = join(testFolder("engine"), "s");
    const address = { kind: "unix", path } as const;
    await engine.callHost(assemble("md0"));
    await engine.serveArrays({ places: [{ listen: address }] });
    await engine.callHost(assemble("md1"));
    const uri = (name: string) => `nbd+unix:///${name}?socket=${path}`;
    expect(await engine.arrayExports()).toEqual([
      { array: "md0", name: "md0", clients: 0, uris: [uri("md0")] },
      { array: "md1", name: "md1", clients: 0, uris: [uri("md1")] },
    ]);
    const client = await polite(address, "md0");
    const stop = (force: boolean) =>
      engine.callHost({ method: "stop", argument: { array: "md0", force } });
    expect(await codeOf(stop(false))).toBe("busy");
    expect(await client.errno({ type: 1, data: Buffer.alloc(512, 1) })).toBe(0);
    await stop(true);
    await expect(client.take(1)).rejects.toThrow("closed with 0 bytes");
    expect((await engine.arrayExports()).map(({ name }) => name)).toEqual(["md1"]);
    expect(await codeOf(engine.serveArrays({ places: [{ listen: address }] }))).toBe("busy");

    const last = await polite(address, "md1");
    await engine.stop();
    await expect(last.take(1)).rejects.toThrow("closed with 0 bytes");
    expect(arrays.log).toEqual(["assemble md0", "assemble md1", "stop md0", "stop md1", "close"]);
    expect(await codeOf(engine.callHost(assemble("md2")))).toBe("shutdown");
    expect(existsSync(path)).toBe(false);
  });

  it("are not to be had from an engine that is made without", async () => {
    const engine = engineOn(nodeEnv());
    expect(await codeOf(engine.callHost(assemble("md0")))).toBe("unsupported");
    await engine.stop();
  });
});
