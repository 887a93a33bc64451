/** `holdfast sim --images`: what simulated power cuts leave on the disks, as files, and with `--kernel` what the real kernel says of it. */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import { SparseFile } from "../copy/sparse-file.ts";
import { crashImages } from "../sim/crash-images.ts";
import type { CrashImages, Held } from "../sim/crash-images.ts";
import {
  GUEST_CONSOLE,
  GUEST_PACKAGES,
  GUEST_SCRIPT,
  canBeJudged,
  guestCommand,
  guestScript,
  verdict,
} from "../sim/kernel-guest.ts";
import type { CrashedArray } from "../sim/kernel-guest.ts";
import { scriptOf } from "../sim/runner.ts";
import type { Campaign } from "../sim/runner.ts";
import { isMapped } from "../sim/script.ts";
import type { ArrayScript } from "../sim/script.ts";
import { replayCommand } from "../sim/story.ts";
import type { CommandContext } from "./command.ts";
import { EXIT_DONE, EXIT_FAILED } from "./exit-codes.ts";
import type { ExitCode } from "./exit-codes.ts";
import { counted } from "./text.ts";

export interface ImagesRequest {
  readonly folder: string;
  /** Of which scenarios, from which seed on, of which mutant. */
  readonly campaign: Campaign;
  /** Power cuts. */
  readonly count: number;
  readonly asksKernel: boolean;
  readonly isJson: boolean;
}

/** Of seeds, one after the other: scenarios without a power cut would be looked through for ever. */
const SEEDS_FOR_EACH = 100;
const STAMP =
  "Each sector that was written holds, 64 times, two 32-bit numbers, lowest byte first: its own number plus 1, and the number of the write. " +
  "It may hold writes from least to newest, also some words of one and some of another; least -1: anything. All others are zeros.";

export async function dumpImages(
  context: CommandContext,
  request: ImagesRequest,
): Promise<ExitCode> {
  const { output } = context;
  const { isJson, asksKernel } = request;
  const folder = await newFolder(context, request.folder);
  const guest = asksKernel ? await guestOf(context, folder) : null;
  const crashes = await writeCrashes(context, request, folder);
  const judged = guest === null ? [] : crashes.filter(canBeJudged);
  const wrong = guest === null ? [] : await askKernel(context, guest, judged);
  const forced = crashes.filter(({ needsForce }) => needsForce).length;
  const kernel = guest === null ? null : (await textOf(context, `${folder}/kernel`)).trim();
  const counts = { powerCuts: crashes.length, forced, judged: judged.length };
  if (isJson) await output.json({ folder, ...counts, kernel, wrong });
  else {
    const told =
      kernel === null ? "" : `; Linux ${kernel} was given ${judged.length}, ${wrong.length} wrong`;
    const images = counted(crashes.length, "power cut");
    await output.lines([...wrong, `${images} in ${folder}, ${forced} to be forced${told}`]);
  }
  return wrong.length === 0 ? EXIT_DONE : EXIT_FAILED;
}

/** @throws HoldfastError `usage` for a folder that has something in it */
async function newFolder({ env, terminal }: CommandContext, path: string): Promise<string> {
  const folder = path.startsWith("/") ? path : `${terminal.folder}/${path}`;
  await env.files.makeFolder(folder);
  if ((await env.files.list(folder)).length === 0) return folder;
  throw new HoldfastError("usage", `sim: ${path} is not empty; name a new folder.`);
}

async function writeCrashes(
  context: CommandContext,
  { campaign, count }: ImagesRequest,
  folder: string,
): Promise<CrashedArray[]> {
  const { scenarios, mutant, firstSeed } = campaign;
  const crashes: CrashedArray[] = [];
  const told: unknown[] = [];
  for (let seed = firstSeed; crashes.length < count; seed += 1) {
    if (seed - firstSeed > SEEDS_FOR_EACH * (crashes.length + 1))
      throw new HoldfastError("usage", "sim: no power is cut in that scenario.");
    for (const scenario of scenarios) {
      const script = scriptOf(scenario, seed);
      // Those of mapped devices are judged here alone.
      if (isMapped(script) || crashes.length >= count) continue;
      const crashed = await crashImages(script, mutant);
      if (crashed === null) continue;
      const name = `c${crashes.length}`;
      const images = await writeMembers(context, crashed, `${folder}/${name}`);
      const { level, needsForce, wrongIn } = crashed;
      const title = replayCommand(script, mutant);
      crashes.push({ name, title, images, level, needsForce, wrongIn });
      told.push(describe(script, crashed, title, images));
    }
  }
  const text = `${JSON.stringify({ stamp: STAMP, crashes: told }, null, 1)}\n`;
  await context.env.files.replace(`${folder}/crashes.json`, Buffer.from(text), 0o644);
  return crashes;
}

/** @returns their names in the folder */
async function writeMembers(
  context: CommandContext,
  { members }: CrashImages,
  path: string,
): Promise<string[]> {
  const names: string[] = [];
  for (const { number, content } of members) {
    const file = await context.env.files.open(`${path}-disk${number}.img`, "create-new");
    try {
      const sparse = new SparseFile(file, true);
      await sparse.write(0, content);
      await sparse.finish(content.length);
    } finally {
      await file.close();
    }
    names.push(file.path.slice(file.path.lastIndexOf("/") + 1));
  }
  return names;
}

interface Described {
  readonly replay: string;
  readonly level: string;
  readonly images: readonly string[];
  readonly start: string;
  readonly holds: readonly Held[];
}

function describe(
  { shape }: ArrayScript,
  { needsForce, held }: CrashImages,
  replay: string,
  images: readonly string[],
): Described {
  const force = needsForce ? " --force" : "";
  const start = `mdadm --assemble --run${force} /dev/md0, with a loop device for each image`;
  return { replay, level: shape.level, images, start, holds: held };
}

interface Guest {
  readonly folder: string;
  readonly kernel: string;
  readonly busybox: string;
}

/** @throws HoldfastError `not-found` where there is no such kernel */
async function guestOf(context: CommandContext, folder: string): Promise<Guest> {
  if (!/^[\w./+@-]+$/.test(folder))
    throw new HoldfastError(
      "usage",
      `sim: the kernel is told of ${folder} on its command line; only letters, digits, and ./+@_- can stand there.`,
    );
  const kernel = await programPath(context, "linux.uml");
  await programPath(context, "mdadm");
  return { folder, kernel, busybox: await programPath(context, "busybox") };
}

async function programPath(
  { env: { files }, terminal }: CommandContext,
  name: keyof typeof GUEST_PACKAGES,
): Promise<string> {
  const folders = `${terminal.variable("PATH") ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`.split(":");
  for (const folder of folders.filter((each) => each.startsWith("/"))) {
    const path = `${folder}/${name}`;
    if ((await files.stat(path))?.kind === "file") return path;
  }
  throw new HoldfastError(
    "not-found",
    `sim: --kernel needs ${name}, of the Debian package ${GUEST_PACKAGES[name]}; without it --images alone writes the images.`,
  );
}

/** @returns what is wrong, a line each */
async function askKernel(
  context: CommandContext,
  { folder, kernel, busybox }: Guest,
  crashes: readonly CrashedArray[],
): Promise<string[]> {
  const script = Buffer.from(guestScript(busybox, crashes));
  await context.env.files.replace(`${folder}/${GUEST_SCRIPT}`, script, 0o755);
  await context.terminal.runProgram("/bin/sh", guestCommand(kernel, folder, crashes.length));
  if ((await context.env.files.stat(`${folder}/judged`)) === null)
    throw new HoldfastError(
      "io",
      `sim: the kernel did not come up; ${folder}/${GUEST_CONSOLE} is what it said.`,
    );
  const wrong: string[] = [];
  for (const crash of crashes)
    wrong.push(...(await verdict(crash, (name) => wholeFile(context, `${folder}/${name}`))));
  return wrong;
}

async function textOf(context: CommandContext, path: string): Promise<string> {
  return Buffer.from((await wholeFile(context, path)) ?? new Uint8Array(0)).toString();
}

/** Null: there is none. */
async function wholeFile(context: CommandContext, path: string): Promise<Uint8Array | null> {
  const { files } = context.env;
  if ((await files.stat(path)) === null) return null;
  const file = await files.open(path, "read");
  try {
    const content = new Uint8Array(file.sizeBytes);
    await new Promise<void>((resolve, reject) => {
      file.read(content, 0, (error) =>
        error === null ? resolve() : reject(toHoldfastError(error)),
      );
    });
    return content;
  } finally {
    await file.close();
  }
}
