/**
 * The README's commands, run: every line that begins with "$" in its `console` blocks, in order, in a folder whose disks/ holds a set of
 * the bundled examples. Each must succeed; where the README shows output below a command, it is what was printed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build } from "../scripts/build.mjs";
import { listExamples, unpackExample } from "../scripts/examples.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "readme-"));

interface Shown {
  readonly command: string;
  readonly output: string;
}

function shownIn(path: string): Shown[] {
  const text = readFileSync(path, "utf8");
  const blocks = [...text.matchAll(/^( *)```console\n([\s\S]*?)^ *```$/gm)];
  return blocks.flatMap(([, indent = "", block = ""]) => {
    const lines = block.replaceAll(new RegExp(`^${indent}`, "gm"), "");
    return lines
      .split(/^\$ /m)
      .slice(1)
      .map((each) => {
        const end = each.indexOf("\n");
        return { command: each.slice(0, end), output: each.slice(end + 1) };
      });
  });
}

beforeAll(async () => {
  await build();
  const nas = listExamples().find(({ name }) => name === "nas");
  if (nas === undefined) throw new Error("the example nas is gone");
  const images = unpackExample(nas, join(folder, "disks"));
  images.forEach((image, index) =>
    renameSync(image, join(folder, "disks", `disk${index + 1}.img`)),
  );
  symlinkSync(join(ROOT, "bin"), join(folder, "bin"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("README.md", () => {
  const commands = shownIn(join(ROOT, "README.md"));

  it("shows the verbs at work", () => {
    const verbs = commands.map(({ command }) => command.split(" ")[1]);
    expect(verbs).toEqual(expect.arrayContaining(["scan", "examine", "ls", "cp", "dump"]));
  });

  it.each(commands)("$command", ({ command, output }) => {
    const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", command], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    if (output !== "") expect(stdout).toBe(output);
  });
});
