/** The daemon as a process, with real arrays on files: started, used, stopped, killed, started again. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { CreateCall } from "../../src/host/array-host.ts";
import { startHoldfastd } from "../support/daemon-process.ts";
import type { DaemonProcess } from "../support/daemon-process.ts";
import { NbdTestClient } from "../support/nbd-client.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";

const HOLDFAST = fileURLToPath(new URL("../../bin/holdfast", import.meta.url));
const DISK_BYTES = 16 * 1024 * 1024;

interface Lab {
  readonly folder: string;
  readonly state: string;
  readonly disks: readonly string[];
}

function lab(): Lab {
  const folder = testFolder("holdfastd");
  const disks = ["a", "b"].map((name) => emptyDisk(join(folder, `${name}.img`), DISK_BYTES));
  return { folder, state: join(folder, "state"), disks };
}

function mirror(disks: readonly string[], path = "/dev/md0"): CreateCall {
  return {
    names: { kernelName: null, path },
    devices: disks.map((disk) => ({
      path: disk,
      writeMostly: false,
      failFast: false,
      dataOffsetSectors: null,
    })),
    journal: null,
    version: "1.2",
    level: "raid1",
    layout: null,
    chunkSectors: null,
    raidDisks: disks.length,
    spareDisks: 0,
    componentSectors: null,
    dataOffsetSectors: null,
    bitmap: { chunkSectors: null, delaySeconds: 5, writeBehind: 0 },
    consistencyPolicy: null,
    assumeClean: true,
    force: false,
    name: "lab",
    homehost: null,
    uuid: null,
    readOnly: false,
    writeZeroes: false,
    dryRun: false,
  };
}

async function opened(
  { ready }: DaemonProcess,
  state: string,
  name: string,
): Promise<NbdTestClient> {
  expect(ready).not.toBeNull();
  const address = { kind: "unix", path: join(state, "nbd.sock") } as const;
  const client = await NbdTestClient.open(address, { name });
  client.socket.once("end", () => client.destroy());
  return client;
}

function holdfast(
  args: readonly string[],
  socket: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, HOLDFAST_SOCKET: socket };
  return new Promise((resolve) => {
    execFile(HOLDFAST, args, { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const PATTERN = Buffer.alloc(65_536, "holdfast");
const WRITE = { type: 1, offset: 1 << 20, data: PATTERN } as const;
const READ = { type: 0, offset: 1 << 20, length: PATTERN.length } as const;
const FLUSH = { type: 3 } as const;

describe("holdfastd", () => {
  it("makes an array, serves it, stops it clean at SIGTERM and serves it again", async () => {
    const { state, disks } = lab();
    const first = await startHoldfastd(["--state", state]);
    expect(first.ready).toMatchObject({ socket: join(state, "control.sock"), exports: [] });
    const client = await first.client();
    expect((await client.create(mirror(disks))).array).toMatchObject({ kernelName: "md0" });
    const writer = await opened(first, state, "md0");
    expect(await writer.errno(WRITE)).toBe(0);
    const end = await first.end("SIGTERM");
    expect(end.how).toBe(0);
    expect(end.stdout.trim().split("\n").at(-1)).toBe(`{"event":"stopped"}`);
    expect(existsSync(join(state, "control.sock"))).toBe(false);

    const second = await startHoldfastd(["--state", state]);
    expect(second.ready).toMatchObject({ exports: [{ name: "md0" }], problems: [] });
    const view = await (await second.client()).array("md0");
    // It was clean: nothing is to be synced.
    expect(view).toMatchObject({ state: "clean", sync: null, degraded: 0 });
    const reader = await opened(second, state, "md0");
    const [chunk] = await reader.call(READ);
    expect(chunk!.payload.equals(PATTERN)).toBe(true);
    reader.destroy();
  });

  it("that is killed leaves nothing that has to be cleaned up, and no flush is lost", async () => {
    const { state, disks } = lab();
    const first = await startHoldfastd(["--state", state]);
    await (await first.client()).create(mirror(disks));
    const writer = await opened(first, state, "md0");
    expect(await writer.errno(WRITE)).toBe(0);
    expect(await writer.errno(FLUSH)).toBe(0);
    expect((await first.end("SIGKILL")).how).toBe("SIGKILL");
    // bin/holdfastd has put Node in its own place, so that was the daemon itself.
    expect(existsSync(join(state, "control.sock"))).toBe(true);

    const second = await startHoldfastd(["--state", state]);
    expect(second.ready).toMatchObject({ exports: [{ name: "md0" }], problems: [] });
    const reader = await opened(second, state, "md0");
    const [chunk] = await reader.call(READ);
    expect(chunk!.payload.equals(PATTERN)).toBe(true);
    reader.destroy();
    const client = await second.client();
    await client.wait("md0");
    for (const disk of disks) {
      const { stdout } = await holdfast(["examine", disk], "");
      expect(stdout).toContain("raid1");
    }
  });

  it("lets no other daemon at its state folder or its members", async () => {
    const { folder, state, disks } = lab();
    const first = await startHoldfastd(["--state", state]);
    await (await first.client()).create(mirror(disks));
    const rival = await startHoldfastd(["--state", state]);
    expect(rival.ready).toBeNull();
    const { how, stderr } = await rival.ended;
    expect(how).toBe(1);
    expect(stderr).toContain(`(process ${first.child.pid}) uses the state folder ${state}`);

    const other = await startHoldfastd(["--state", join(folder, "other")]);
    const before = readFileSync(disks[0]!);
    const creating = (await other.client()).create({ ...mirror(disks), force: true });
    await expect(creating).rejects.toMatchObject({ code: "busy" });
    expect(readFileSync(disks[0]!).equals(before)).toBe(true);
    // Reading beside it is nobody's business.
    expect((await holdfast(["examine", disks[0]!], "")).code).toBe(0);
    await first.end("SIGKILL");
    await (
      await other.client()
    ).assemble({
      names: { kernelName: null, path: "/dev/md5" },
      devices: disks,
      mode: "read-write",
      force: false,
      run: false,
      noDegraded: false,
      update: null,
    });
  });

  it("reads its configuration, and refuses one with a mistake in it", async () => {
    const { folder } = lab();
    const config = join(folder, "config.json");
    const state = join(folder, "configured");
    const socket = join(folder, "c.sock");
    const nbd = { tcp: { host: "127.0.0.1", port: 0 } };
    writeFileSync(config, JSON.stringify({ state, socket, nbd }));
    const daemon = await startHoldfastd(["--config", config]);
    expect(daemon.ready).toMatchObject({ socket });
    const { disks } = lab();
    const client = await daemon.client();
    await client.create(mirror(disks, "/dev/md/data"));
    const [served] = (await client.health()).exports;
    expect(served!.name).toBe("data");
    expect(served!.uris[1]).toMatch(/^nbd:\/\/127\.0\.0\.1:\d+\/data$/);
    expect((await daemon.end("SIGINT")).how).toBe(0);

    for (const [text, words] of [
      [`{"sokcet":"/x"}`, "unknown field 'sokcet'"],
      [`{"nbd":{"tcp":{"host":"h","port":70000}}}`, "'nbd.tcp.port'"],
      ["{", "is no JSON"],
    ] as const) {
      writeFileSync(config, text);
      const refused = await startHoldfastd(["--config", config, "--state", state]);
      const end = await refused.ended;
      expect(end.how).toBe(2);
      expect(end.stderr).toContain(config);
      expect(end.stderr).toContain(words);
    }
  });
});

describe("the verbs that show its arrays", () => {
  it("print and take what the kernel does", async () => {
    const { state, disks } = lab();
    const daemon = await startHoldfastd(["--state", state]);
    const { socket } = daemon.ready!;
    await (await daemon.client()).create(mirror(disks));
    const mdstat = await holdfast(["mdstat"], socket);
    expect(mdstat.stdout).toMatch(
      /^Personalities : .*\nmd0 : active raid1 .*\n {6}\d+ blocks super 1\.2 \[2\/2\] \[UU\]\n {6}bitmap: .*\n\nunused devices: <none>\n$/,
    );
    const read = async (path: string): Promise<string> =>
      (await holdfast(["sysfs", path], socket)).stdout;
    expect(await read("/sys/block/md0/md/array_state")).toBe("clean\n");
    expect(await read("md0/sync_max")).toBe("max\n");
    expect(await read("md0")).toContain("\narray_state\n");
    expect((await holdfast(["sysfs", "md0/sync_max", "1024"], socket)).code).toBe(0);
    expect(await read("md0/sync_max")).toBe("1024\n");
    const json = await holdfast(["sysfs", "md0/sync_max", "--json"], socket);
    expect(JSON.parse(json.stdout)).toEqual({
      array: "md0",
      attributes: [{ name: "sync_max", value: "1024" }],
    });
    const found = await holdfast(["mismatches", "md0", "--json"], socket);
    expect(JSON.parse(found.stdout)).toEqual({ array: "md0", total: 0, listed: [], unlisted: 0 });
    const told = await holdfast(["mismatches", "md0"], socket);
    expect([told.code, told.stderr]).toEqual([
      0,
      "holdfast: note: 0 sectors of md0 do not agree.\n",
    ]);
    const all = await holdfast(["mdstat", "--json"], socket);
    expect(JSON.parse(all.stdout)).toMatchObject({ arrays: [{ kernelName: "md0", level: 1 }] });
  });

  it("say in a sentence what is wrong", async () => {
    const { folder, state } = lab();
    const daemon = await startHoldfastd(["--state", state]);
    const { socket } = daemon.ready!;
    for (const [args, code, words] of [
      [["sysfs", "md9/level"], 1, "md9"],
      [["sysfs", "sda/size"], 2, "is no attribute of an array"],
      [["sysfs", "md0/sync_action", "jump"], 2, "EINVAL"],
      [["sysfs", "md0/mismatch_cnt", "1"], 2, "EACCES"],
      [["mismatches", "md9"], 1, "md9"],
      [["mdstat", "--socket", join(folder, "nowhere")], 1, "No holdfast daemon listens on"],
    ] as const) {
      const result = await holdfast(args, socket);
      expect([result.code, result.stdout]).toEqual([code, ""]);
      expect(result.stderr).toMatch(/^holdfast: [^\n]+[.!?]\n$/);
      expect(result.stderr).toContain(words);
    }
  });
});
