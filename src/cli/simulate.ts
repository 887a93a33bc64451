/** What `holdfast sim` does. Loaded by that verb alone: it brings the whole of the running arrays along. */
import { HoldfastError } from "../base/errors.ts";
import type { Clock } from "../env/env.ts";
import { readSmallFile } from "../env/small-file.ts";
import { explore } from "../sim/explore.ts";
import { play } from "../sim/play.ts";
import { minimise } from "../sim/minimise.ts";
import type { Mutant } from "../sim/mutant.ts";
import { MUTANTS } from "../sim/mutants/index.ts";
import { EXPLORATION, MOST_OPERATIONS } from "../sim/operations.ts";
import { runCampaign, scriptOf } from "../sim/runner.ts";
import type { Campaign, Tally } from "../sim/runner.ts";
import { SCENARIOS } from "../sim/scenarios/index.ts";
import { parseScript } from "../sim/script-file.ts";
import type { Script } from "../sim/script.ts";
import { LEGEND, replayCommand, storyLines } from "../sim/story.ts";
import type { CommandContext, ParsedArguments } from "./command.ts";
import { EXIT_DONE, EXIT_FAILED } from "./exit-codes.ts";
import type { ExitCode } from "./exit-codes.ts";
import { ProgressLine, formatDuration } from "./progress.ts";
import type { Standing } from "./progress.ts";
import { dumpImages } from "./sim-images.ts";
import type { ImagesRequest } from "./sim-images.ts";
import { brokenLines, figuresLine, listLines } from "./views/sim-view.ts";
import type { Broken } from "./views/sim-view.ts";

const DEFAULT_SEEDS = 100;
const DEFAULT_IMAGES = 24;

export async function simulate(context: CommandContext, args: ParsedArguments): Promise<ExitCode> {
  if (args.has("list")) return list(context, args);
  const file = args.value("replay");
  if (file !== undefined) {
    const script = parseScript(await readSmallFile(context.env, file), file);
    return tell(context, script, mutantOf(args));
  }
  if (args.has("explore")) return search(context, explorationOf(args), args.has("json"));
  const campaign = campaignOf(args);
  const folder = args.value("images");
  if (folder !== undefined) return dumpImages(context, imagesOf(args, campaign, folder));
  if (args.has("kernel"))
    throw new HoldfastError("usage", "sim: --kernel judges images: --images says where they lie.");
  if (!args.has("log")) return search(context, huntOf(campaign), args.has("json"));
  const [scenario, ...others] = campaign.scenarios;
  if (scenario === undefined || others.length > 0)
    throw new HoldfastError("usage", "sim: --log tells one run: --scenario says of which kind.");
  return tell(context, scriptOf(scenario, campaign.firstSeed), campaign.mutant);
}

/** @throws HoldfastError `usage` */
function imagesOf(args: ParsedArguments, campaign: Campaign, folder: string): ImagesRequest {
  const count = numberOf(args, "runs", true) ?? DEFAULT_IMAGES;
  return { folder, campaign, count, asksKernel: args.has("kernel"), isJson: args.has("json") };
}

async function list({ output }: CommandContext, args: ParsedArguments): Promise<ExitCode> {
  const mutants = MUTANTS.map(({ name, about, law, origin, scenario }) => ({
    name,
    about,
    law,
    origin,
    scenario,
  }));
  const scenarios = SCENARIOS.map(({ name, about }) => ({ name, about }));
  if (args.has("json")) await output.json({ scenarios, mutants });
  else await output.lines(listLines(scenarios, mutants, output.tableStyle));
  return EXIT_DONE;
}

/** @throws HoldfastError `usage` */
function campaignOf(args: ParsedArguments): Campaign {
  const mutant = mutantOf(args);
  const name = args.value("scenario") ?? mutant?.scenario;
  const seed = numberOf(args, "seed", true);
  const minutes = numberOf(args, "minutes", false);
  const seedsWithoutTime = seed === null ? DEFAULT_SEEDS : 1;
  return {
    scenarios: name === undefined ? SCENARIOS : [find(SCENARIOS, name, "scenario")],
    mutant,
    firstSeed: seed ?? 1,
    seeds: numberOf(args, "runs", true) ?? (minutes === null ? seedsWithoutTime : Infinity),
    forMs: minutes === null ? Infinity : minutes * 60_000,
    keepsGoing: args.has("keep-going"),
  };
}

/** Runs to be played until it is enough. */
interface Hunt {
  /** Names of the scenarios. */
  readonly scenarios: readonly string[];
  readonly mutant: Mutant | null;
  readonly firstSeed: number;
  /** @param told after each run, or some; false: that is enough */
  readonly play: (clock: Clock, told: (tally: Tally, at: string) => boolean) => Promise<Tally>;
  /** How much of it is done; null: nobody knows. */
  readonly share: (tally: Tally, elapsedMs: number) => number | null;
}

function huntOf(campaign: Campaign): Hunt {
  const { scenarios, mutant, firstSeed, seeds, forMs } = campaign;
  return {
    scenarios: scenarios.map(({ name }) => name),
    mutant,
    firstSeed,
    play: (clock, told) =>
      runCampaign(campaign, clock, (tally, { seed }) => told(tally, `seed ${seed}`)),
    share: ({ runs }, elapsedMs) => Math.max(runs / (seeds * scenarios.length), elapsedMs / forMs),
  };
}

/** @throws HoldfastError `usage` */
function explorationOf(args: ParsedArguments): Hunt {
  const mutant = mutantOf(args);
  const seed = numberOf(args, "seed", true) ?? 1;
  const minutes = numberOf(args, "minutes", false);
  const forMs = minutes === null ? Infinity : minutes * 60_000;
  const depth = numberOf(args, "explore", true)!;
  if (depth < 1 || depth > MOST_OPERATIONS)
    throw new HoldfastError("usage", `sim: --explore takes 1 to ${MOST_OPERATIONS} operations.`);
  const exploration = {
    mutant,
    seed,
    depths: [1, depth] as const,
    mostCuts: Infinity,
    oneOf: 1,
    shard: shardOf(args),
    mostRuns: Infinity,
    forMs,
    keepsGoing: args.has("keep-going"),
  };
  return {
    scenarios: [EXPLORATION],
    mutant,
    firstSeed: seed,
    play: (clock, told) =>
      explore(exploration, clock, (tally, { operations }) => told(tally, operations.join(" "))),
    share: (_tally, elapsedMs) => (forMs === Infinity ? null : elapsedMs / forMs),
  };
}

/** @throws HoldfastError `usage` */
function shardOf(args: ParsedArguments): readonly [number, number] {
  const text = args.value("shard") ?? "1/1";
  const [, k, n] = /^(\d{1,3})\/(\d{1,3})$/.exec(text) ?? [];
  const [share, shares] = [Number(k), Number(n)];
  if (share >= 1 && share <= shares) return [share, shares];
  throw new HoldfastError("usage", `sim: --shard takes K/N, with K from 1 to N; '${text}' is not.`);
}

function mutantOf(args: ParsedArguments): Mutant | null {
  const name = args.value("mutant");
  return name === undefined ? null : find(MUTANTS, name, "mutant");
}

function numberOf(args: ParsedArguments, option: string, isWhole: boolean): number | null {
  const text = args.value(option);
  if (text === undefined) return null;
  const value = Number(text);
  const isFine = isWhole ? Number.isSafeInteger(value) && value >= 0 : value > 0 && value < 1e6;
  if (text.trim() !== "" && isFine) return value;
  const what = isWhole ? "a whole number" : "a number above 0";
  throw new HoldfastError("usage", `sim: --${option} takes ${what}, and '${text}' is none.`);
}

function find<T extends { readonly name: string }>(
  all: readonly T[],
  name: string,
  what: string,
): T {
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new HoldfastError(
    "usage",
    `sim: there is no ${what} '${name}'; see 'holdfast sim --list'.`,
  );
}

/** Plays until it is enough, and tells what is broken. */
async function search(context: CommandContext, hunt: Hunt, isJson: boolean): Promise<ExitCode> {
  const { clock } = context.env;
  const { output } = context;
  const { scenarios, mutant, firstSeed } = hunt;
  const startedMs = clock.monotonicMs();
  const tally = await watched(context, hunt);
  const elapsedMs = clock.monotonicMs() - startedMs;
  const { failures, runs, events, crashes, simulatedMs } = tally;
  const counts = { runs, events, crashes, simulatedMs };
  const figures = {
    scenarios,
    mutant: mutant?.name ?? null,
    firstSeed,
    ...counts,
    elapsedMs,
    runsPerSecond: elapsedMs === 0 ? 0 : (counts.runs * 1000) / elapsedMs,
  };
  const broken: Broken[] = [];
  for (const { script } of failures) {
    await output.note(
      `${script.scenario}, seed ${script.seed}: broken; its story is being shortened`,
    );
    broken.push(await shortened(script, mutant));
  }
  if (isJson) await output.json({ ...figures, broken });
  else {
    for (const each of broken) await output.lines(brokenLines(each, LEGEND, output.paint));
    await output.lines([figuresLine(figures, broken.length)]);
  }
  return broken.length === 0 ? EXIT_DONE : EXIT_FAILED;
}

/** A signal ends it after the run that is under way, a second one at once. */
async function watched(context: CommandContext, hunt: Hunt): Promise<Tally> {
  const { env, terminal } = context;
  const line = new ProgressLine(context);
  let isInterrupted = false;
  const forget = terminal.onInterrupt((count) => {
    isInterrupted = true;
    if (count > 1) terminal.exitNow(EXIT_FAILED);
  });
  const tally = await hunt.play(env.clock, (soFar, at) => {
    line.update((elapsedMs) => standing(hunt, soFar, at, elapsedMs));
    return !isInterrupted;
  });
  await line.finish();
  forget();
  return tally;
}

function standing(hunt: Hunt, tally: Tally, at: string, elapsedMs: number): Standing {
  const { runs, crashes, failures } = tally;
  const share = hunt.share(tally, elapsedMs);
  const left = share === null ? "" : `, ${formatDuration((elapsedMs * (1 - share)) / share)} left`;
  const rate = Math.round((runs * 1000) / elapsedMs);
  const bad = failures.length === 0 ? "" : `, ${failures.length} broken`;
  return { share, facts: `${at}: ${runs} runs, ${rate}/s, ${crashes} crashes${bad}${left}` };
}

async function shortened(script: Script, mutant: Mutant | null): Promise<Broken> {
  const least = await minimise(script, (candidate) => play(candidate, mutant));
  const { what, world } = await play(least, mutant);
  return {
    scenario: script.scenario,
    seed: script.seed,
    replay: replayCommand(script, mutant),
    what,
    steps: script.steps.length,
    story: storyLines(least, world.log),
    script: least,
  };
}

/** One run, from start to end. */
async function tell(
  { output }: CommandContext,
  script: Script,
  mutant: Mutant | null,
): Promise<ExitCode> {
  const { kind, what, world } = await play(script, mutant);
  await output.lines([...storyLines(script, world.log), ""]);
  await output.lines(LEGEND.map((line) => output.paint(line, "dim")));
  await output.lines(["", ...what, `${script.scenario}, seed ${script.seed}: ${kind}`]);
  return kind === "clean" ? EXIT_DONE : EXIT_FAILED;
}
