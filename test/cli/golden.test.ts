/** The program as it is built, on disks that the kernel wrote: bin/holdfast from end to end. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "../../scripts/build.mjs";
import { goldenCase, unpackToFolder } from "../support/golden.ts";
import type { UnpackedCase } from "../support/golden.ts";
import { schemaProblems } from "../support/json-schema.ts";
import { peerTest } from "../support/peers.ts";
import { testFolder } from "../support/temp.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/holdfast", import.meta.url));
const healthy = goldenCase("raid5-4-ext4");
const degraded = goldenCase("degraded-raid6-5-two");
let files: UnpackedCase;
let two: UnpackedCase;

beforeAll(async () => {
  await build();
  files = unpackToFolder(healthy);
  two = unpackToFolder(degraded);
});
afterAll(() => {
  files.remove();
  two.remove();
});

function run(args: readonly string[], input: { readonly shell?: string } = {}) {
  const options = { encoding: "buffer", maxBuffer: 1 << 28 } as const;
  const result =
    input.shell === undefined
      ? spawnSync(PROGRAM, args, options)
      : spawnSync("bash", ["-c", input.shell, PROGRAM, ...args], options);
  return {
    status: result.status,
    stdout: result.stdout.toString(),
    bytes: result.stdout,
    stderr: result.stderr.toString(),
  };
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** What the kernel read from the volume, in the first view that read it. */
function kernelSum(golden: typeof healthy): string {
  const [view] = golden.views.filter(({ volumes }) => Object.keys(volumes).length > 0);
  return Object.values(view?.volumes ?? {})[0]?.sha256 ?? "";
}

describe("bin/holdfast", () => {
  it("scans a folder and finds the set", () => {
    const { status, stdout, stderr } = run(["scan", dirname(files.disks[0]!)]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/raid5 +left-symmetric +\S+ KiB +4\/4/);
    expect(stdout).toContain("can be opened.\n");
    expect(stdout).toContain("On it: ext4");
  });

  it.each([
    ["scan", ["scan"]],
    ["examine", ["examine"]],
    ["examine --explain", ["examine", "--explain"]],
    ["sum", ["sum"]],
  ] as const)("prints %s as JSON that fits the schema", (schema, words) => {
    for (const disks of [files.disks, two.disks]) {
      const { status, stdout } = run([...words, "--json", ...disks]);
      expect(status).toBe(0);
      expect(schemaProblems(schema, JSON.parse(stdout))).toEqual([]);
    }
  });

  it("sums what the kernel summed, whole and degraded", () => {
    for (const [golden, { disks }] of [
      [healthy, files],
      [degraded, two],
    ] as const) {
      const { status, stdout } = run(["sum", ...disks]);
      expect([status, stdout.split(" ")[0]]).toEqual([0, kernelSum(golden)]);
    }
  });

  it("dumps into a file and into a pipe, and never onto a disk of the set", () => {
    const out = join(testFolder("golden-cli"), "out.img");
    expect(run(["dump", ...files.disks, "-o", out]).status).toBe(0);
    expect(sha256(readFileSync(out))).toBe(kernelSum(healthy));
    expect(sha256(run(["dump", ...files.disks, "-o", "-"]).bytes)).toBe(kernelSum(healthy));

    const [first, ...others] = files.disks;
    const before = sha256(readFileSync(first!));
    const { status, stderr } = run(["dump", ...others, "-o", first!, "--overwrite"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^holdfast: \S+ is a member of \S+ and is not written to/m);
    expect(sha256(readFileSync(first!))).toBe(before);
  });

  it("copies files out as the kernel read them, and prints and lists the same", () => {
    const [view] = healthy.views.filter(({ trees }) => trees !== undefined);
    const tree = Object.values(view?.trees ?? {})[0]?.files ?? {};
    const names = Object.keys(tree);
    expect(names.length).toBeGreaterThan(3);
    const out = join(testFolder("golden-cli"), "copy");
    const copied = run(["cp", "-r", "--json", ...files.disks, ":/", out]);
    expect(schemaProblems("cp", JSON.parse(copied.stdout))).toEqual([]);
    for (const name of names) {
      expect(sha256(readFileSync(join(out, name))), name).toBe(tree[name]);
    }
    const one = names[0]!.replace(/^\.?\/*/, "");
    expect(sha256(run(["cat", ...files.disks, `:/${one}`]).bytes)).toBe(tree[names[0]!]);
    const listed = run(["ls", "--json", "-R", ...files.disks]).stdout;
    expect(schemaProblems("ls", JSON.parse(listed))).toEqual([]);
    expect(listed).toContain(`"/${one}"`);
  });

  it("ends quietly when its reader has gone", () => {
    const shell = '"$0" "$@" | head -c 1 >/dev/null; echo "${PIPESTATUS[0]}"';
    for (const words of [["dump", "-o", "-"], ["examine"], ["ls", "-lR"]]) {
      const { stdout, stderr } = run([...words, ...files.disks], { shell });
      expect([stdout, stderr.replaceAll(/holdfast: note: .*\n/g, "")]).toEqual(["0\n", ""]);
    }
  });

  it("says in a sentence what is wrong with paths and disks", () => {
    const folder = testFolder("golden-cli");
    const torn = join(folder, "torn.img");
    copyFileSync(fileURLToPath(import.meta.url), torn);
    for (const verb of ["examine", "sum", "open"]) {
      for (const path of [join(folder, "nothing.img"), torn, folder]) {
        const { status, stdout, stderr } = run([verb, path]);
        expect([status, stdout], `${verb} ${path}`).toEqual([1, ""]);
        expect(stderr).toMatch(/^holdfast: [^\n]+\.\n$/);
      }
    }
  });

  peerTest(["nbdinfo"], "serves until it is told to stop, and leaves nothing behind", async () => {
    const folder = testFolder("golden-cli");
    const environment = { ...process.env, XDG_RUNTIME_DIR: folder };
    const child = spawn(PROGRAM, ["open", "--json", ...files.disks], { env: environment });
    const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
    const ready = await new Promise<string>((resolve) => {
      let text = "";
      child.stdout.on("data", (data: Buffer) => {
        text += data.toString();
        if (text.endsWith("\n")) resolve(text);
      });
    });
    const event = JSON.parse(ready) as { volumes: { uri: string; sizeBytes: number }[] };
    expect(schemaProblems("open", event)).toEqual([]);
    const [volume] = event.volumes;
    const size = spawnSync("nbdinfo", ["--size", volume!.uri], { encoding: "utf8" });
    expect(size.stdout.trim()).toBe(String(volume!.sizeBytes));
    const socket = new URL(volume!.uri).searchParams.get("socket")!;
    expect(existsSync(socket)).toBe(true);
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });
});
