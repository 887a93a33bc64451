import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "../scripts/build.mjs";
import { VERSION } from "../src/base/version.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/holdfast", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "launcher-"));

beforeAll(async () => {
  await build();
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** A copy of the launcher in a tree of its own, with what is to be run in dist/. */
function launcherFor(name: string, entry: string): string {
  const root = join(folder, name);
  mkdirSync(join(root, "bin"), { recursive: true });
  mkdirSync(join(root, "dist"));
  copyFileSync(LAUNCHER, join(root, "bin", "holdfast"));
  writeFileSync(join(root, "dist", "holdfast.cjs"), entry);
  return join(root, "bin", "holdfast");
}

describe("bin/holdfast", () => {
  it("says its version", () => {
    const expected = { status: 0, stdout: `holdfast ${VERSION}\n`, stderr: "" };
    expect(start(LAUNCHER, ["--version"])).toEqual(expected);
    expect(start(LAUNCHER, ["-V"])).toEqual(expected);
  });

  it("loads nothing for it but its own small file, since loading is what takes time", () => {
    const spy = join(folder, "spy.cjs");
    writeFileSync(
      spy,
      'process.on("exit", () => process.stderr.write(JSON.stringify(Object.keys(require.cache))));',
    );
    const { stderr } = start(LAUNCHER, ["--version"], { NODE_OPTIONS: `--require=${spy}` });
    const entry = fileURLToPath(new URL("../dist/holdfast.cjs", import.meta.url));
    expect(JSON.parse(stderr)).toEqual([spy, entry]);
    expect(statSync(entry).size).toBeLessThan(8192);
  });

  it("says with --verbose what it runs on", () => {
    const { status, stdout } = start(LAUNCHER, ["--version", "--verbose"]);
    expect(status).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toBe(`holdfast ${VERSION}`);
    expect(lines[1]).toBe(`node     ${process.versions.node}`);
    expect(lines[2]).toBe(`platform ${process.platform} ${process.arch}`);
    expect(lines[3]).toMatch(/^koffi {4}/);
    expect(lines[4]).toMatch(/^backend {2}(ring|node \(.+\))$/);
  });

  it("works through a chain of absolute and relative links, and tells the name it was called by", () => {
    const print =
      "process.stdout.write(JSON.stringify([process.env.HOLDFAST_ARGV0, process.argv.slice(2)]));";
    symlinkSync(launcherFor("links", print), join(folder, "absolute"));
    symlinkSync("absolute", join(folder, "mdadm"));
    const { status, stdout } = start(join(folder, "mdadm"), ["-E", "a b", ""]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual(["mdadm", ["-E", "a b", ""]]);
  });

  it("works through a link to its folder", () => {
    launcherFor("folder", "");
    symlinkSync(join(folder, "folder", "bin"), join(folder, "elsewhere"));
    expect(start(join(folder, "elsewhere", "holdfast"), []).status).toBe(0);
  });

  it("hands over the exit code", () => {
    expect(start(launcherFor("codes", "process.exitCode = 7;"), []).status).toBe(7);
  });

  it("says what to run when it was not built", () => {
    const launcher = launcherFor("unbuilt", "");
    rmSync(join(folder, "unbuilt", "dist"), { recursive: true });
    expect(start(launcher, ["--version"])).toEqual({
      status: 1,
      stdout: "",
      stderr: `holdfast: not built yet: run 'npm ci && npm run build' in ${join(folder, "unbuilt")}.\n`,
    });
  });

  it("says what to install when there is no node", () => {
    const { status, stderr } = start("/bin/sh", [LAUNCHER, "--version"], { PATH: folder });
    expect(status).toBe(1);
    expect(stderr).toContain("Node.js is not on the PATH: install version 20.19 or newer");
  });

  it("says so when node is too old", () => {
    const old = join(folder, "old.cjs");
    writeFileSync(
      old,
      'Object.defineProperty(process, "versions", { value: { node: "20.18.3" } });',
    );
    const { status, stdout, stderr } = start(LAUNCHER, ["--version"], {
      NODE_OPTIONS: `--require=${old}`,
    });
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("Node.js 20.19 or newer is needed, and this is 20.18.3");
  });
});
