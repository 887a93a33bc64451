import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import type { Services } from "../../src/cli/services.ts";
import type {
  EngineFigures,
  EngineVolume,
  OpenCall,
  RunningEngine,
  ServeCall,
} from "../../src/engine/engine.ts";
import { formatNbdUri } from "../../src/formats/nbd/uri.ts";
import type { VolumeReport } from "../../src/volume/report.ts";
import { runInProcess, startInProcess } from "../support/cli.ts";
import type { RunOptions } from "../support/cli.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { testFolder } from "../support/temp.ts";
import { schemaProblems } from "../support/json-schema.ts";
import { volumeReport } from "../support/volumes.ts";

const FIGURES: EngineFigures = {
  backend: "fake",
  elapsedMs: 12_345,
  nbd: {
    connections: 2,
    accepted: 5,
    refused: 1,
    dropped: 0,
    requests: 1000,
    failed: 3,
    readBytes: 4 * 1024 * 1024,
    writtenBytes: 512,
    heldBytes: 8192,
    peakHeldBytes: 65536,
    outsideArena: 0,
  },
  arena: { buffers: 0, bytes: 0, peakBytes: 1024 * 1024, refusals: 0 },
  loopDelay: { p50Ms: 0.25, p99Ms: 2, maxMs: 30 },
  arrays: [],
};

interface FakeSets {
  /** One after the other, the last for good. */
  readonly figures?: readonly EngineFigures[];
  readonly volumes?: readonly EngineVolume[];
  readonly refused?: readonly VolumeReport[];
}

function engineVolume(changes: Partial<VolumeReport> = {}): EngineVolume {
  const report = volumeReport(changes);
  return { name: report.name, sizeBytes: report.sizeBytes, readOnly: true, report };
}

/** An engine that serves, in name only, and writes down what it was asked for. */
function fakes({ volumes = [engineVolume()], refused = [], figures = [FIGURES] }: FakeSets = {}) {
  let asked = 0;
  const opened: OpenCall[] = [];
  const served: ServeCall[] = [];
  let stops = 0;
  let die: (error: Error) => void = () => {};
  const engine: RunningEngine = {
    died: new Promise((resolve) => (die = resolve)),
    open(call) {
      opened.push(call);
      const readOnly = call.access.kind === "read-only";
      return Promise.resolve({ volumes: volumes.map((one) => ({ ...one, readOnly })), refused });
    },
    serve(call) {
      served.push(call);
      const tls = call.tls?.mode === "require" ? "require" : "allow";
      const address = call.listen;
      const uris = call.exports.map(({ name }) => formatNbdUri({ address, exportName: name, tls }));
      return Promise.resolve({ address, uris });
    },
    callHost: () => Promise.reject(new Error("not expected")),
    serveArrays: () => Promise.reject(new Error("not expected")),
    arrayExports: () => Promise.reject(new Error("not expected")),
    figures() {
      const now = figures[Math.min(asked, figures.length - 1)]!;
      asked += 1;
      return Promise.resolve(now);
    },
    stop() {
      stops += 1;
      return Promise.resolve({ figures: FIGURES, arrays: [] });
    },
  };
  const services: Partial<Services> = { startEngine: () => Promise.resolve(engine) };
  return { services, opened, served, stops: () => stops > 0, die };
}

/** Runs `open` until it is ready, then interrupts it. */
async function openAndStop(args: readonly string[], options: RunOptions) {
  const { terminal, ended } = startInProcess(["open", ...args], options);
  await terminal.stdout.contains("\n");
  expect(terminal.interrupt()).toBe(true);
  return ended;
}

function runtimeFolder(): RunOptions {
  return { variables: { XDG_RUNTIME_DIR: testFolder("open") } };
}

describe("holdfast open", () => {
  it("serves every volume on a private unix socket until it is interrupted", async () => {
    const fake = fakes({
      volumes: [
        engineVolume({ notes: ["the journal was replayed in memory"] }),
        engineVolume({ name: "md 1", level: "raid1", layout: "-", chunkBytes: 0 }),
      ],
    });
    const { terminal, ended } = startInProcess(["open", "d0.img", "d1.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    await terminal.stdout.contains("Ctrl-C");
    const [server] = fake.served;
    const socket = server?.listen.kind === "unix" ? server.listen.path : "";
    expect(socket).toMatch(/\/holdfast-[0-9a-f]{16}\/nbd\.sock$/);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
    expect(server?.exports.map(({ name }) => name)).toEqual(["data", "md 1"]);
    expect(fake.stops()).toBe(false);

    terminal.interrupt();
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(0);
    expect(fake.stops()).toBe(true);
    expect(existsSync(dirname(socket))).toBe(false);
    expect(stderr).toContain("stopping");
    expect(stdout.replaceAll(socket, "SOCKET")).toBe(`\
data: raid5 of 3 disks, left-symmetric, chunk 64 KiB, 32 KiB, clean
  Note: the journal was replayed in memory.
  read-only at nbd+unix:///data?socket=SOCKET
md 1: raid1 of 3 disks, 32 KiB, clean
  read-only at nbd+unix:///md%201?socket=SOCKET

Now, for example:
  nbdinfo 'nbd+unix:///data?socket=SOCKET'
  nbdcopy --progress 'nbd+unix:///data?socket=SOCKET' data.img
  sudo nbd-client -unix SOCKET -N data -readonly /dev/nbd0

Ctrl-C stops serving.
`);
  });

  it("prints a line of JSON when it is ready, and one with figures at the end", async () => {
    const refused = volumeReport({
      name: "other",
      verdict: { kind: "cannot-start", reason: "too few", remedy: "find them" },
    });
    const fake = fakes({ refused: [refused] });
    const { stdout, stderr } = await openAndStop(["--json", "d0.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    const [ready = "", stopped = "", ...rest] = stdout.split("\n");
    expect(rest).toEqual([""]);
    expect(JSON.parse(stopped)).toEqual({
      event: "stopped",
      residentBytes: 64 * 1024 * 1024,
      loopDelay: { p50Ms: 0.125, p99Ms: 1.5, maxMs: 20 },
      engine: FIGURES,
    });
    for (const line of [ready, stopped])
      expect(schemaProblems("open", JSON.parse(line))).toEqual([]);
    expect(JSON.parse(ready)).toMatchObject({
      event: "ready",
      volumes: [{ name: "data", sizeBytes: 32768, readOnly: true, report: { level: "raid5" } }],
      refused: [{ name: "other" }],
    });
    expect(stderr).toContain(
      "holdfast: warning: other (raid5 of 3 disks) cannot be opened: too few; find them.\n",
    );
  });

  it("hands the options on", async () => {
    const fake = fakes();
    const args = ["a", "missing", "--volume", "data", "--force", "--backup-file", "b"];
    await openAndStop(args, { ...runtimeFolder(), services: fake.services });
    const request = { paths: ["a", "missing"], force: true, volume: "data", backupFile: "b" };
    expect(fake.opened).toEqual([{ request, access: { kind: "read-only" } }]);
  });

  it("ends at once at the second signal", async () => {
    const fake = fakes();
    const { terminal, ended } = startInProcess(["open", "d0.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    await terminal.stdout.contains("Ctrl-C");
    terminal.interrupt();
    expect(terminal.exitedWith).toBeNull();
    terminal.interrupt();
    expect(terminal.exitedWith).toBe(1);
    const [server] = fake.served;
    const socket = server?.listen.kind === "unix" ? server.listen.path : "";
    expect(terminal.leftovers).toEqual([socket, dirname(socket)]);
    await ended;
  });

  it("prints figures when they are wanted", async () => {
    const fake = fakes();
    const { terminal, ended } = startInProcess(["open", "d0.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    await terminal.stdout.contains("Ctrl-C");
    terminal.wantFigures();
    await terminal.stderr.contains("engine");
    expect(terminal.stderr.text).toBe(`\
FIGURE           VALUE
time             12.3 s
requests         1000, of which 3 failed
read             4 MiB
written          512 bytes
clients          2; 5 so far, 0 dropped, 1 refused
payload held     8 KiB; at most 64 KiB
arena            0 bytes; at most 1 MiB; 0 buffers found no room
resident memory  64 MiB
backend          fake

EVENT LOOP DELAY     P50     P99      MAX
main thread       0.1 ms  1.5 ms  20.0 ms
engine            0.3 ms  2.0 ms  30.0 ms
`);
    terminal.interrupt();
    expect((await ended).stdout).not.toContain("requests");
  });

  it("prints figures as a line of JSON with --json", async () => {
    const fake = fakes();
    const { terminal, ended } = startInProcess(["open", "--json", "d0.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    await terminal.stdout.contains("ready");
    terminal.wantFigures();
    await terminal.stdout.contains("figures");
    terminal.interrupt();
    const { stdout, stderr } = await ended;
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; engine?: unknown });
    expect(events.map(({ event }) => event)).toEqual(["ready", "figures", "stopped"]);
    expect(events[1]?.engine).toEqual(FIGURES);
    expect(stderr).not.toContain("FIGURE");
  });

  it("ends with one sentence when the engine dies, and leaves nothing behind", async () => {
    const fake = fakes();
    const { terminal, ended } = startInProcess(["open", "d0.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    await terminal.stdout.contains("Ctrl-C");
    const [server] = fake.served;
    const socket = server?.listen.kind === "unix" ? server.listen.path : "";
    // Its thread could not remove it any more.
    writeFileSync(socket, "");
    fake.die(new HoldfastError("no-space", "The engine ran out of memory."));
    expect(await ended).toMatchObject({
      code: 1,
      stderr: "holdfast: The engine ran out of memory.\n",
    });
    expect(existsSync(dirname(socket))).toBe(false);
  });

  it("says so when no thread can be started", async () => {
    const why = new HoldfastError("unsupported", "No thread can be started.");
    const services: Partial<Services> = { startEngine: () => Promise.reject(why) };
    expect(await runInProcess(["open", "d0.img"], { services })).toMatchObject({
      code: 1,
      stderr: "holdfast: No thread can be started.\n",
    });
  });

  it("stops serving when nobody can read where", async () => {
    const fake = fakes();
    const run = { ...runtimeFolder(), services: fake.services, closedAfter: 0 };
    expect(await runInProcess(["open", "d0.img"], run)).toMatchObject({ code: 0, stdout: "" });
    expect(fake.stops()).toBe(true);
  });

  describe("when sets cannot be opened", () => {
    it.each([
      [
        volumeReport({ verdict: { kind: "needs-force", reason: "it is dirty", risk: "some." } }),
        "holdfast: data (raid5 of 3 disks) needs --force: it is dirty; the risk: some.\n",
      ],
      [
        volumeReport({ verdict: { kind: "cannot-start", reason: "too few", remedy: "find them" } }),
        "holdfast: data (raid5 of 3 disks) cannot be opened: too few; find them.\n",
      ],
    ])("says why: %#", async (refused, sentence) => {
      const { services, stops } = fakes({ volumes: [], refused: [refused] });
      const { code, stdout, stderr } = await runInProcess(["open", "d0.img"], { services });
      expect([code, stdout, stderr]).toEqual([1, "", sentence]);
      expect(stops()).toBe(true);
    });

    it("names all of several, or says that there are none", async () => {
      const verdict = { kind: "cannot-start", reason: "x", remedy: "y" } as const;
      const many = [volumeReport({ verdict }), volumeReport({ name: "two", verdict })];
      const { services } = fakes({ volumes: [], refused: many });
      const { stderr } = await runInProcess(["open", "d0.img"], { services });
      expect(stderr).toMatch(/^holdfast: none of the sets data, two can be opened.*\n$/);
      const none = fakes({ volumes: [] });
      expect(await runInProcess(["open", "x"], { services: none.services })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("no RAID set was found on x") as string,
      });
    });
  });

  it("tells how far background sync is when it writes to the disks", async () => {
    const figuresWith = (doneBytes: number | null): EngineFigures => {
      const of = { isDelayed: false, totalBytes: 8192, bytesPerSecond: 1024 };
      const sync = doneBytes === null ? null : ({ action: "resync", doneBytes, ...of } as const);
      return { ...FIGURES, arrays: [{ volume: "data", state: "active", degradedBy: 0, sync }] };
    };
    const time = new VirtualTime();
    const fake = fakes({ figures: [1024, 4096, null].map(figuresWith) });
    const { terminal, ended } = startInProcess(["open", "d0.img", "--read-write"], {
      ...runtimeFolder(),
      env: { clock: time, timers: time },
      services: fake.services,
      stderrColumns: 100,
    });
    await terminal.stdout.contains("Ctrl-C");
    expect(terminal.stdout.text).not.toContain("(overlay)");
    expect(fake.opened[0]?.access).toEqual({ kind: "read-write" });
    await time.until(terminal.stderr.contains("data: resync: 50% of 8 KiB"));
    await time.until(terminal.stderr.contains("data: resync has ended.\n"));
    terminal.interrupt();
    expect((await ended).code).toBe(0);
    expect(time.pending).toBe(0);
  });

  it("writes to the disks, or to an overlay, not to both", async () => {
    const both = await runInProcess(["open", "--read-write", "--overlay", "--force", "d0.img"]);
    expect(both).toMatchObject({ code: 2 });
    expect(both.stderr).toContain("cannot be used with");
  });
});

describe("holdfast open --overlay", () => {
  it("serves a writable layer, and takes it away at the end", async () => {
    const fake = fakes();
    const { stdout, stderr } = await openAndStop(["d0.img", "--overlay"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    expect(fake.opened[0]?.access).toEqual({ kind: "overlay", folder: null });
    expect(stdout).toContain("writable (overlay) at ");
    expect(stdout).not.toContain("-readonly");
    expect(stderr).toContain("kept in memory");
  });

  it("keeps writes in a folder, which is made", async () => {
    const fake = fakes();
    const folder = join(testFolder("overlay"), "new");
    await openAndStop([`--overlay=${folder}`, "d0.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    expect(fake.opened[0]?.access).toEqual({ kind: "overlay", folder });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it("does not take a disk for the folder", async () => {
    const fake = fakes();
    const disk = join(testFolder("overlay"), "d0.img");
    writeFileSync(disk, "");
    await openAndStop(["--overlay", disk, "d1.img"], {
      ...runtimeFolder(),
      services: fake.services,
    });
    expect(fake.opened[0]?.access).toEqual({ kind: "overlay", folder: null });
    expect(fake.opened[0]?.request.paths).toEqual([disk, "d1.img"]);
  });

  it("says so when a folder of disks was taken for it", async () => {
    const folder = testFolder("overlay");
    const { code, stderr } = await runInProcess(["open", "--overlay", folder]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${folder} was taken as the folder of --overlay`);
  });
});

describe("holdfast open --nbd", () => {
  const open = (args: readonly string[], fake = fakes()) =>
    openAndStop(["d0.img", ...args], { services: fake.services }).then((result) => ({
      ...result,
      served: fake.served[0],
    }));

  it("listens where it is told", async () => {
    const { served, stdout, stderr } = await open(["--nbd", "nbd://127.0.0.1:10809"]);
    expect(served?.listen).toEqual({ kind: "tcp", host: "127.0.0.1", port: 10809 });
    expect(stdout).toContain("read-only at nbd://127.0.0.1/data\n");
    expect(stdout).toContain("sudo nbd-client 127.0.0.1 10809 -N data");
    expect(stderr).not.toContain("warning");
  });

  it("names the only export after the URI, and refuses one name for several", async () => {
    const { served } = await open(["--nbd", "nbd://localhost/mine"]);
    expect(served?.exports.map(({ name }) => name)).toEqual(["mine"]);
    const two = fakes({ volumes: [engineVolume(), engineVolume({ name: "b" })] });
    const { code, stderr } = await runInProcess(["open", "x", "--nbd", "nbd://localhost/mine"], {
      services: two.services,
    });
    expect([code, stderr.includes("there are 2 volumes")]).toEqual([2, true]);
  });

  it("warns before it leaves this machine without TLS", async () => {
    const { stderr } = await open(["--nbd", "nbd://0.0.0.0:10809"]);
    expect(stderr).toMatch(/^holdfast: warning: nbd:\/\/0\.0\.0\.0:10809 can be reached/);
  });

  it("takes no URI that means nothing", async () => {
    const { services } = fakes();
    const { code, stderr } = await runInProcess(["open", "x", "--nbd", "http://x"], { services });
    expect([code, stderr.includes("http://x")]).toEqual([2, true]);
  });

  it("needs certificates or keys for TLS", async () => {
    const { services } = fakes();
    for (const args of [["--tls-required"], ["--nbd", "nbds://localhost"]]) {
      const result = await runInProcess(["open", "x", ...args], { services });
      expect(result.code).toBe(2);
      expect(result.stderr).toContain("--tls-certificates or --tls-psk");
    }
  });

  it("reads certificates and keys, and asks clients for a certificate where there is an authority", async () => {
    const folder = testFolder("tls");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "server-cert.pem"), "CERT");
    writeFileSync(join(folder, "server-key.pem"), "KEY");
    const nbd = ["--nbd", "nbds://0.0.0.0", "--tls-certificates", folder, "--tls-required"];
    const { served, stdout, stderr } = await open(nbd);
    expect(served?.tls).toEqual({
      mode: "require",
      settings: { kind: "x509", certificatePem: "CERT", keyPem: "KEY", requirePeer: false },
    });
    expect(stdout).toContain("nbds://");
    expect(stderr).not.toContain("warning");
    writeFileSync(join(folder, "ca-cert.pem"), "CA");
    expect((await open(nbd)).served?.tls?.settings).toMatchObject({
      authorityPem: "CA",
      requirePeer: true,
    });

    const keys = join(folder, "keys.psk");
    writeFileSync(keys, "# made by psktool\nalice:00ff10\n\nbob:aa\n");
    const psk = await open(["--tls-psk", keys, "--nbd", "nbd://localhost"]);
    expect(psk.served?.tls).toEqual({
      mode: "on",
      settings: {
        kind: "psk",
        secrets: new Map([
          ["alice", new Uint8Array([0, 255, 16])],
          ["bob", new Uint8Array([0xaa])],
        ]),
      },
    });
  });

  it("says which line of a key file is wrong, and not what is in it", async () => {
    const keys = join(testFolder("tls"), "keys.psk");
    const { services } = fakes();
    writeFileSync(keys, "alice:00ff10\nsecret word\n");
    const wrong = await runInProcess(["open", "x", "--tls-psk", keys], { services });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain(`line 2 of ${keys}`);
    expect(wrong.stderr).not.toContain("secret word");
    writeFileSync(keys, "");
    const empty = await runInProcess(["open", "x", "--tls-psk", keys], { services });
    expect(empty.stderr).toContain("holds no pre-shared key");
    chmodSync(keys, 0o600);
    const none = await runInProcess(["open", "x", "--tls-psk", `${keys}.not`], { services });
    expect(none).toMatchObject({ code: 1 });
    expect(none.stderr).toContain("does not exist");
  });
});
