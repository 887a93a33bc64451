/** What `holdfast thin` and `holdfast clone` have in common: a metadata device, a check of it, a dump as XML. */
import { HoldfastError } from "../base/errors.ts";
import type { BlockDevice } from "../block/device.ts";
import { openDevice } from "../devices/open.ts";
import type { OpenOptions } from "../devices/open.ts";
import type { CheckLine, CheckResult } from "../pdata/metadata-check.ts";
import type { DumpOptions } from "../pdata/walk.ts";
import type { CommandContext, OptionSpec, ParsedArguments } from "./command.ts";

export const CHECK_JSON: OptionSpec = {
  long: "json",
  text: "check: print JSON for programs instead (docs/json.md)",
};

export const IGNORE_LEAKS: OptionSpec = {
  long: "ignore-non-fatal-errors",
  text: "check: exit with 0 when blocks are counted that nobody uses, and nothing else is wrong",
};

export const LEAVE_OUT: OptionSpec = {
  long: "repair",
  text: "dump: leave out what is damaged",
};

export const READ: OpenOptions = { readOnly: true };
/** While something else is written, which it must not be itself. */
export const READ_ALONE: OpenOptions = { readOnly: true, exclusive: true };
export const WRITE: OpenOptions = { readOnly: false };

/** Lines that go out in larger pieces. */
const LINES_AT_A_TIME = 512;

export async function withDevice<T>(
  { env }: CommandContext,
  path: string,
  options: OpenOptions,
  work: (device: BlockDevice) => Promise<T>,
): Promise<T> {
  const device = await openDevice(env, path, options);
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}

/** Says what a check says: facts where results go, the rest where messages go. @returns the result, and whether it is good enough */
export async function sayCheck(
  context: CommandContext,
  args: ParsedArguments,
  device: BlockDevice,
  check: (device: BlockDevice, say: (line: CheckLine) => void) => Promise<CheckResult>,
): Promise<CheckResult & { readonly isGood: boolean }> {
  const { output, terminal } = context;
  const said: CheckLine[] = [];
  const writes: Promise<void>[] = [];
  const result = await check(device, (line) => {
    if (args.has("json")) said.push(line);
    else {
      const stream = line.kind === "fact" ? terminal.stdout : terminal.stderr;
      writes.push(stream.write(checkText(line)));
    }
  });
  await Promise.all(writes);
  if (args.has("json")) await output.json(checkReport(device.name, result, said));
  const { verdict } = result;
  const isGood =
    verdict === "clean" || (verdict === "leaks" && args.has("ignore-non-fatal-errors"));
  return { ...result, isGood };
}

/** As thin_check says it. */
function checkText(line: CheckLine): string {
  switch (line.kind) {
    case "progress":
      return `${line.text}\n`;
    case "fact":
      return `${line.name}=${line.value}\n`;
    case "problem":
      return `  ${line.text}\n${line.detail === null ? "" : `    ${line.detail}\n`}`;
  }
}

function checkReport(device: string, result: CheckResult, said: readonly CheckLine[]): unknown {
  return {
    device,
    ...result,
    facts: said.flatMap((line) =>
      line.kind === "fact" ? [{ name: line.name, value: line.value }] : [],
    ),
    problems: said.flatMap((line) =>
      line.kind === "problem"
        ? [{ text: line.text, detail: line.detail, severity: line.severity }]
        : [],
    ),
  };
}

/** Prints a dump as it is made; with --repair what is lost is told when all is printed. */
export async function printDump(
  { output }: CommandContext,
  args: ParsedArguments,
  dump: (line: (text: string) => Promise<void>, options: DumpOptions) => Promise<void>,
): Promise<void> {
  if (args.has("json"))
    throw new HoldfastError("usage", "A dump is XML: --json is for check alone.");
  const lines: string[] = [];
  const lost: string[] = [];
  await dump(
    async (line) => {
      lines.push(line);
      if (lines.length >= LINES_AT_A_TIME) await output.lines(lines.splice(0));
    },
    args.has("repair") ? { lost: (what) => lost.push(what) } : {},
  );
  await output.lines(lines);
  for (const what of lost) await output.warning(what);
}
