/** What holds for every verb. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { commandHelp } from "../../src/cli/help.ts";
import { manualPage } from "../../src/cli/man.ts";
import { parseArguments } from "../../src/cli/parse.ts";
import { COMMANDS, allMetas } from "../../src/cli/registry.ts";
import { plainPaint } from "../../src/cli/style.ts";
import { textWidth } from "../../src/cli/text.ts";
import { runInProcess } from "../support/cli.ts";

const metas = await allMetas();

/** One line, prefixed, a sentence. */
function expectSentence(stderr: string): void {
  expect(stderr).toMatch(/^holdfast: [^\n]+[.!?]\n$/);
}

describe.each(metas.map((meta) => [meta.name, meta] as const))("%s", (name, meta) => {
  it("is registered under its name and described", () => {
    expect(COMMANDS.map((entry) => entry.name)).toContain(name);
    expect(meta.summary).toMatch(/^[a-z].*[^.]$/);
    expect(meta.examples.length).toBeGreaterThan(0);
    for (const paragraph of meta.description) expect(paragraph).toMatch(/^[A-Z].*\.$/);
    for (const { text } of meta.examples) expect(text).toMatch(/^[A-Z].*\.$/);
    for (const { text } of [...meta.options, ...meta.arguments]) {
      expect(text).toMatch(/^[^A-Z].*[^.]$/s);
    }
  });

  it("has help with its arguments, options and examples, however it is asked for", async () => {
    if (meta.ownGrammar === true) return;
    const { code, stdout, stderr } = await runInProcess([name, "--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`Usage: holdfast ${name}`);
    for (const option of meta.options) expect(stdout).toContain(`--${option.long}`);
    for (const example of meta.examples) expect(stdout).toContain(example.command);
    expect((await runInProcess([name, "x", "-h"])).stdout).toBe(stdout);
    expect((await runInProcess(["help", name])).stdout).toBe(stdout);
  });

  it("has help that fits terminals of 60, 80 and 120 columns", () => {
    for (const width of [60, 80, 120]) {
      // Commands are there to be pasted, and are not broken.
      const commands = new Set(meta.examples.map(({ command }) => `  ${command}`));
      const lines = commandHelp(meta, { width, paint: plainPaint });
      const tooLong = lines.filter((line) => textWidth(line) > width && !commands.has(line));
      expect(tooLong).toEqual([]);
    }
  });

  it("refuses an option it does not have", async () => {
    if (meta.ownGrammar === true) return;
    const { code, stdout, stderr } = await runInProcess([name, "--no-such-option"]);
    expect([code, stdout]).toEqual([2, ""]);
    expectSentence(stderr);
    expect(stderr).toContain(`${name}: unknown option '--no-such-option'`);
    expect(stderr).toContain(`see 'holdfast ${name} --help'`);
  });

  it("says which argument is missing", async () => {
    if (meta.arguments.every(({ required }) => !required)) return;
    const { code, stdout, stderr } = await runInProcess([name]);
    expect([code, stdout]).toEqual([2, ""]);
    expectSentence(stderr);
  });

  it("understands its own examples", async () => {
    if (meta.ownGrammar === true) return;
    for (const { command } of meta.examples) {
      const words = /holdfast (.*?)(?: [|>] .*|\))?$/.exec(command)?.[1]?.split(" ") ?? [];
      const [verb, ...rest] = words;
      if (verb !== name) continue;
      await expect(parseArguments(meta, rest)).resolves.toBeDefined();
    }
  });

  it("is in the manual page with every option", () => {
    const page = manualPage(metas).join("\n");
    expect(page).toContain(`\n.SS ${name}\n`);
    for (const { long } of meta.options) {
      expect(page).toContain(`--${long}`.replaceAll("-", "\\-"));
    }
  });
});

describe("holdfast", () => {
  it("tells what there is when nothing is asked, as an error", async () => {
    const { code, stdout, stderr } = await runInProcess([]);
    expect([code, stdout]).toEqual([2, ""]);
    for (const { name } of COMMANDS) expect(stderr).toMatch(new RegExp(`^  ${name} `, "m"));
  });

  it("tells what there is when asked", async () => {
    const { code, stdout, stderr } = await runInProcess(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("Usage: holdfast VERB");
    expect((await runInProcess(["-h"])).stdout).toBe(stdout);
    expect((await runInProcess(["help"])).stdout).toBe(stdout);
  });

  it("suggests the verb that was meant", async () => {
    const { code, stderr } = await runInProcess(["scna", "x"]);
    expect(code).toBe(2);
    expect(stderr).toBe(
      "holdfast: unknown command 'scna', did you mean scan? See 'holdfast --help'.\n",
    );
  });

  it("suggests the option that was meant", async () => {
    const { stderr } = await runInProcess(["scan", "--jsno", "x"]);
    expect(stderr).toBe(
      "holdfast: scan: unknown option '--jsno', did you mean --json? See 'holdfast scan --help'.\n",
    );
  });

  it("wants the verb first", async () => {
    const { code, stderr } = await runInProcess(["--json", "scan"]);
    expect(code).toBe(2);
    expectSentence(stderr);
  });

  it("prints its version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    for (const args of [["version"], ["--version"], ["-V"]]) {
      expect(await runInProcess(args)).toMatchObject({ code: 0, stdout: `holdfast ${version}\n` });
    }
    const { stdout } = await runInProcess(["version", "--json"]);
    expect(JSON.parse(stdout)).toEqual({ name: "holdfast", version });
  });

  it("ends quietly when its reader has gone", async () => {
    for (const args of [["--help"], ["scan", "--help"], ["completion", "bash"], ["version"]]) {
      expect(await runInProcess(args, { closedAfter: 0 })).toMatchObject({ code: 0, stderr: "" });
    }
  });

  it("has a manual page that is up to date: holdfast help --man > docs/man/holdfast.1", async () => {
    const { stdout } = await runInProcess(["help", "--man"]);
    expect(stdout).toBe(readFileSync("docs/man/holdfast.1", "utf8"));
  });
});
