import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allMetas } from "../../src/cli/registry.ts";
import { runInProcess } from "../support/cli.ts";
import { testFolder } from "../support/temp.ts";

const metas = await allMetas();

async function script(shell: string): Promise<string> {
  const { code, stdout } = await runInProcess(["completion", shell]);
  expect(code).toBe(0);
  return stdout;
}

describe.each(["bash", "zsh", "fish"])("holdfast completion %s", (shell) => {
  it("knows every verb and option", async () => {
    const text = await script(shell);
    for (const { name, options } of metas) {
      expect(text).toMatch(new RegExp(`\\b${name}\\b`));
      for (const { long } of options) {
        expect(text).toMatch(new RegExp(`(--|-l )${long}\\b`));
      }
    }
  });
});

describe("holdfast completion", () => {
  it("is there for three shells only", async () => {
    const { code, stderr } = await runInProcess(["completion", "tcsh"]);
    expect(code).toBe(2);
    expect(stderr).toContain("there is none for 'tcsh', only for bash, zsh, fish");
  });

  it("completes in bash", async () => {
    const folder = testFolder("completion");
    writeFileSync(join(folder, "h.bash"), await script("bash"));
    mkdirSync(join(folder, "images"));
    writeFileSync(join(folder, "image one.img"), "");
    const complete = (line: string): string[] => {
      const words = line.split(" ");
      const run = `source ./h.bash
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const found = execFileSync("bash", ["--norc", "-c", run], { cwd: folder, encoding: "utf8" });
      return found.split("\n").filter((word) => word !== "");
    };
    expect(complete("holdfast ex")).toEqual(["examine"]);
    expect(complete("holdfast dump --un")).toEqual(["--unreadable"]);
    expect(complete("holdfast dump --unreadable ")).toEqual(["stop", "zero"]);
    expect(complete("holdfast help co")).toEqual(["completion"]);
    expect(complete("holdfast completion ")).toEqual(["bash", "zsh", "fish"]);
    expect(complete("holdfast scan im").toSorted()).toEqual(["image one.img", "images"]);
    expect(complete("holdfast open --overlay im")).toEqual(["images"]);
    expect(complete("holdfast sum --volume im")).toEqual([]);
  });
});
