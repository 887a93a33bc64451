/** Mapped devices in the daemon as a process: made with dmsetup, used over NBD, suspended, exchanged, removed, there again after its end. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { startHoldfastd } from "../support/daemon-process.ts";
import type { DaemonProcess } from "../support/daemon-process.ts";
import { NbdTestClient } from "../support/nbd-client.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";

const HOLDFAST = fileURLToPath(new URL("../../bin/holdfast", import.meta.url));
const DISK_BYTES = 16 * 1024 * 1024;
const BLOCK = 4096;

class Lab {
  readonly folder = testFolder("mapped");
  readonly state = join(this.folder, "state");
  readonly disks = ["a", "b"].map((name) =>
    emptyDisk(join(this.folder, `${name}.img`), DISK_BYTES),
  );
  daemon: DaemonProcess | null = null;

  async start(): Promise<DaemonProcess> {
    this.daemon = await startHoldfastd(["--state", this.state]);
    const problems = this.daemon.ready?.problems ?? ["it did not start"];
    if (problems.length > 0) throw new Error(problems.join(" "));
    return this.daemon;
  }

  run(
    verb: string,
    ...words: readonly string[]
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const env = { ...process.env, HOLDFAST_SOCKET: this.daemon!.ready!.socket };
    return new Promise((resolve) => {
      execFile(HOLDFAST, [verb, ...words], { env, cwd: this.folder }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  }

  /** What it prints. */
  async ok(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run("dmsetup", ...words);
    if (code !== 0 || stderr !== "") throw new Error(`${words.join(" ")}: ${code}, ${stderr}`);
    return stdout;
  }

  async client(name: string): Promise<NbdTestClient> {
    const address = { kind: "unix", path: join(this.state, "nbd.sock") } as const;
    const client = await NbdTestClient.open(address, { name });
    client.socket.once("end", () => client.destroy());
    return client;
  }

  /** The byte that fills a block of a disk. */
  byteAt(disk: number, offset: number): number {
    const block = readFileSync(this.disks[disk]!).subarray(offset, offset + BLOCK);
    if (block.some((byte) => byte !== block[0]))
      throw new Error(`${offset}: not filled with one byte`);
    return block[0]!;
  }
}

/** The client takes answers apart by who asked: reads have 1. */
const COOKIE = 2;

function write(offset: number, byte: number) {
  return { type: 1, cookie: COOKIE, offset, data: Buffer.alloc(BLOCK, byte) } as const;
}

async function byteIn(client: NbdTestClient, offset: number): Promise<number> {
  const [chunk] = await client.call({ type: 0, offset, length: BLOCK });
  return chunk!.payload[0]!;
}

const FLUSH = { type: 3, cookie: COOKIE } as const;

describe("a mapped device in the daemon", () => {
  it("is written through, holds writes while it is suspended, and goes on with another table", async () => {
    const lab = new Lab();
    await lab.start();
    await lab.ok("create", "v", "--table", "0 1024 linear ./a.img 8");
    const client = await lab.client("v");
    expect(await client.errno(write(0, 1))).toBe(0);
    expect(lab.byteAt(0, 8 * 512)).toBe(1);
    expect(await lab.ok("info", "-c", "--noheadings", "-o", "open,attr")).toBe("1:L--w\n");

    await lab.ok("load", "v", "--table", "0 1024 linear ./b.img 16");
    await lab.ok("suspend", "v");
    const held = client.errno(write(0, 2));
    // Another client's question comes behind the write.
    expect(await lab.ok("info", "-c", "--noheadings", "-o", "attr", "v")).toBe("LIsw\n");
    expect(lab.byteAt(0, 8 * 512)).toBe(1);
    expect(lab.byteAt(1, 16 * 512)).toBe(0);
    await lab.ok("resume", "v");
    expect(await held).toBe(0);
    expect(lab.byteAt(1, 16 * 512)).toBe(2);
    expect(lab.byteAt(0, 8 * 512)).toBe(1);

    const busy = await lab.run("dmsetup", "remove", "v");
    expect(busy.code).toBe(1);
    expect(busy.stderr).toContain("Device or resource busy\nv is in use: it is open 1 times.");
    await lab.ok("rename", "v", "renamed");
    expect(await byteIn(client, 0)).toBe(2);
    await lab.ok("remove", "--deferred", "renamed");
    // Who has it open keeps it, and nobody else gets it.
    expect(await byteIn(client, 0)).toBe(2);
    await expect(lab.client("renamed")).rejects.toThrow(/./);
    client.destroy();
    await expect.poll(() => lab.ok("ls")).toBe("No devices found\n");
    await lab.ok("create", "again", "--table", "0 8 linear ./a.img 0");
  });

  it("fails requests with an error table, below those who have it open", async () => {
    const lab = new Lab();
    await lab.start();
    await lab.ok("create", "v", "--table", "0 1024 linear ./a.img 0");
    const client = await lab.client("v");
    await lab.ok("suspend", "v");
    const held = client.errno(write(0, 3));
    await lab.ok("wipe_table", "v");
    expect(await held).toBe(5);
    expect(lab.byteAt(0, 0)).toBe(0);
    client.destroy();
  });

  it("is there again after SIGTERM and SIGKILL, with what stands on it and what it stands on", async () => {
    const lab = new Lab();
    const first = await lab.start();
    const [a, b] = lab.disks;
    // An array on two mapped devices, and mapped devices on the array.
    await lab.ok("create", "z-leg", "--table", `0 16384 linear ${a} 0`);
    await lab.ok("create", "y-leg", "-r", "--notable");
    await lab.ok("remove", "y-leg");
    await lab.ok("create", "y-leg", "-u", "LVM-y", "--table", `0 16384 linear ${b} 0`);
    const legs = ["/dev/mapper/z-leg", "/dev/mapper/y-leg"];
    const made = await lab.run("mdadm", "-CR", "/dev/md0", "-l1", "-n2", "--assume-clean", ...legs);
    expect(made).toMatchObject({ code: 0 });
    await lab.ok("create", "top", "--table", "0 1024 linear /dev/md0 8");
    await lab.ok("create", "a-top", "-r", "--table", "0 8 linear /dev/mapper/top 0");
    expect(await lab.ok("deps", "-o", "blkdevname", "top")).toBe("1 dependencies\t: (md0)\n");
    expect((await lab.run("mdadm", "-S", "/dev/md0")).code).not.toBe(0);
    expect((await lab.run("dmsetup", "remove", "z-leg")).code).toBe(1);
    const loop = await lab.run("dmsetup", "load", "z-leg", "--table", "0 8 linear /dev/md0 0");
    expect(loop.stderr).toContain("z-leg would stand on itself, by /dev/md0");
    const before = await lab.ok("table", "--concise");
    const info = await lab.ok("info", "-c");
    const client = await lab.client("top");
    expect(await client.errno(write(0, 7))).toBe(0);
    expect((await first.end("SIGTERM")).how).toBe(0);

    const second = await lab.start();
    expect(await lab.ok("table", "--concise")).toBe(before);
    expect(await lab.ok("info", "-c")).toBe(info);
    const again = await lab.client("top");
    expect(await byteIn(again, 0)).toBe(7);
    expect(await again.errno(write(BLOCK, 8))).toBe(0);
    expect(await again.errno(FLUSH)).toBe(0);
    await lab.ok("suspend", "y-leg");
    await second.end("SIGKILL");

    const third = await lab.start();
    expect(await lab.ok("table", "--concise")).toBe(before);
    const reader = await lab.client("top");
    expect(await byteIn(reader, 0)).toBe(7);
    expect(await byteIn(reader, BLOCK)).toBe(8);
    await lab.ok("suspend", "top");
    // Nobody was told that it is written, and the end does not wait for it.
    reader.request(write(0, 9));
    expect((await third.end("SIGTERM")).how).toBe(0);
  });

  it("stops and comes again in order with arrays without superblocks between", async () => {
    const lab = new Lab();
    const first = await lab.start();
    const [a, b] = lab.disks;
    await lab.ok("create", "z-leg", "--table", `0 16384 linear ${a} 2048`);
    await lab.ok("create", "y-leg", "--table", `0 16384 linear ${b} 2048`);
    await lab.ok("create", "meta", "--table", `0 2048 linear ${a} 0`);
    const legs = ["/dev/mapper/z-leg", "/dev/mapper/y-leg"];
    const built = ["--build", "/dev/md5", "-l0", "-n2", "-c64", ...legs];
    expect(await lab.run("mdadm", ...built)).toMatchObject({ code: 0, stderr: "" });
    await lab.ok("create", "pool", "--table", "0 32768 thin-pool /dev/mapper/meta /dev/md5 128 0");
    await lab.ok("message", "pool", "0", "create_thin 0");
    await lab.ok("create", "a-thin", "--table", "0 32768 thin /dev/mapper/pool 0");
    await lab.ok("rename", "z-leg", "x-leg");
    const before = await lab.ok("table", "--concise");
    const client = await lab.client("a-thin");
    // Nobody flushes: what is stopped commits what it stands on last of all.
    for (const block of [0, 40, 80]) expect(await client.errno(write(block * BLOCK, 7))).toBe(0);
    await lab.ok("suspend", "pool");
    client.request(write(120 * BLOCK, 8));
    const end = await first.end("SIGTERM");
    expect(end.how).toBe(0);
    expect(end.stderr).not.toContain("error");

    const second = await lab.start();
    expect(await lab.ok("table", "--concise")).toBe(before);
    expect(await lab.ok("info", "-c", "--noheadings", "-o", "events", "pool")).toBe("0\n");
    // Who waits for what comes after an event of before hears that things are not as they were.
    await lab.ok("wait", "pool", "5");
    const again = await lab.client("a-thin");
    for (const block of [0, 40, 80]) expect(await byteIn(again, block * BLOCK)).toBe(7);
    expect((await second.end("SIGTERM")).how).toBe(0);
  });

  it("whose journal was not written back reads right after SIGKILL", async () => {
    const lab = new Lab();
    const first = await lab.start();
    const words = "integrity ./a.img 0 - J 2 internal_hash:crc32c recalculate";
    await lab.ok("create", "v", "--table", `0 1024 ${words}`);
    const client = await lab.client("v");
    expect(await client.errno(write(2 * BLOCK, 7))).toBe(0);
    expect(await client.errno(FLUSH)).toBe(0);
    await first.end("SIGKILL");
    await lab.start();
    const again = await lab.client("v");
    expect(await byteIn(again, 2 * BLOCK)).toBe(7);
    expect(await lab.ok("status", "v")).toMatch(/^0 1024 integrity 0 /);
    again.destroy();
  });

  it("that cannot be made again stays listed, until it is removed by name", async () => {
    const lab = new Lab();
    const first = await lab.start();
    await lab.ok("create", "v", "--table", "0 8 linear ./a.img 32760");
    await first.end("SIGTERM");
    emptyDisk(lab.disks[0]!, 4096);
    lab.daemon = await startHoldfastd(["--state", lab.state]);
    const [problem] = lab.daemon.ready!.problems;
    expect(problem).toContain("/dev/mapper/v was not started: v: linear: word 2");
    expect(readFileSync(join(lab.state, "state.json"), "utf8")).toContain("32760");
    await lab.ok("remove", "v");
    expect(readFileSync(join(lab.state, "state.json"), "utf8")).not.toContain("32760");
    expect((await lab.run("dmsetup", "remove", "v")).code).toBe(1);
  });
});
