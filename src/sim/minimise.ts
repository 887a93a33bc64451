/**
 * Minimise: the shortest story that is still broken in the same way. Delta debugging (Zeller's ddmin) over the steps, then a plainer
 * array, then plainer steps, until nothing can be left out any more. It tries the same things in the same order each time.
 */
import type { Outcome } from "./play.ts";
import type { Action, Script, Step } from "./script.ts";
import { fewestDisks } from "./shape.ts";
import type { Shape } from "./shape.ts";

const MOST_PLAYS = 1000;

/** What kind of mistake it is: the first line, whatever its numbers. */
export function signatureOf(what: readonly string[]): string {
  return (what[0] ?? "").split("\n")[0]!.replaceAll(/\d+/g, "#");
}

/** @param replay plays a script; with what broke `script` */
export async function minimise(
  script: Script,
  replay: (script: Script) => Promise<Outcome>,
): Promise<Script> {
  const { what } = await replay(script);
  const signature = signatureOf(what);
  let plays = 0;
  const isSame = async (candidate: Script): Promise<boolean> => {
    plays += 1;
    if (plays > MOST_PLAYS) return false;
    const outcome = await replay(candidate);
    return outcome.kind === "broken" && signatureOf(outcome.what) === signature;
  };
  let least = script;
  for (let before: Script | null = null; before !== least;) {
    before = least;
    least = await fewerSteps(least, isSame);
    least = await firstThatHolds(least, plainerShapes, isSame);
    least = await plainerSteps(least, isSame);
  }
  return least;
}

type Judge = (script: Script) => Promise<boolean>;

/** Runs of steps, long ones first; what happened after them is left to happen if that is needed. */
async function fewerSteps(script: Script, isSame: Judge): Promise<Script> {
  let least = script;
  for (let length = Math.ceil(script.steps.length / 2); length > 0; length = Math.floor(length / 2))
    for (let at = 0; at < least.steps.length;) {
      const shorter = await without(least, at, length, isSame);
      if (shorter === null) at += length;
      else least = shorter;
    }
  return least;
}

async function without(
  script: Script,
  at: number,
  length: number,
  isSame: Judge,
): Promise<Script | null> {
  const { steps } = script;
  const before = steps.slice(0, at);
  const after = steps.slice(at + length);
  const events = steps.slice(at, at + length).reduce((sum, step) => sum + step.events, 0);
  const candidates = [[...before, ...after]];
  const last = before.at(-1);
  if (last !== undefined && events > 0)
    candidates.push([...before.slice(0, -1), { ...last, events: last.events + events }, ...after]);
  for (const candidate of candidates) {
    const shorter = { ...script, steps: candidate };
    if (await isSame(shorter)) return shorter;
  }
  return null;
}

/** Takes the first that is still broken, and begins again, until none is. */
async function firstThatHolds(
  script: Script,
  plainer: (script: Script) => Iterable<Script>,
  isSame: Judge,
): Promise<Script> {
  for (const candidate of plainer(script))
    if (await isSame(candidate)) return firstThatHolds(candidate, plainer, isSame);
  return script;
}

function* plainerShapes(script: Script): Iterable<Script> {
  const { shape } = script;
  const changes: Partial<Shape>[] = [
    { spares: 0 },
    { badBlockLog: false },
    { assumeClean: true },
    { writeBehind: 0 },
    { sharesBuffers: false },
    { disks: Math.max(fewestDisks(shape.level), shape.disks - 1) },
    { componentSectors: Math.max(256, shape.componentSectors / 2) },
    { consistency: "resync", writeBehind: 0 },
    ...(shape.connections === undefined ? [] : [{ connections: 1 }]),
  ];
  const { connections: _, ...local } = shape;
  if (shape.connections !== undefined) yield { ...script, shape: local };
  for (const change of changes) {
    const changed = { ...shape, ...change };
    if (JSON.stringify(changed) !== JSON.stringify(shape)) yield { ...script, shape: changed };
  }
}

async function plainerSteps(script: Script, isSame: Judge): Promise<Script> {
  let least = script;
  for (let at = 0; at < script.steps.length; at += 1)
    least = await firstThatHolds(least, (from) => withPlainer(from, at), isSame);
  return least;
}

function* withPlainer(script: Script, at: number): Iterable<Script> {
  for (const step of simpler(script.steps[at]!))
    yield { ...script, steps: script.steps.with(at, step) };
}

function* simpler({ action, events }: Step): Iterable<Step> {
  if (events > 0) yield { action, events: 0 };
  if (events > 1) yield { action, events: Math.floor(events / 2) };
  if (events > 2) yield { action, events: events - 1 };
  for (const simple of simplerActions(action)) yield { action: simple, events };
}

function* simplerActions(action: Action): Iterable<Action> {
  if (action.do === "write") {
    const { fua, preflush, zeros, ...rest } = action;
    if (fua === true && preflush === true) yield { ...rest, fua };
    if (fua === true || preflush === true || zeros === true) yield rest;
  }
  if (action.do === "write" || action.do === "read") {
    if (action.sectors > 1) yield { ...action, sectors: 1 };
    if (action.sectors > 3) yield { ...action, sectors: Math.floor(action.sectors / 2) };
    if (action.sector > 0) yield { ...action, sector: 0 };
  }
  if (action.do === "wait" && action.ms > 1) yield { ...action, ms: Math.floor(action.ms / 2) };
  if (action.do === "cut" && action.away.length > 0) yield { ...action, away: [] };
  if (action.do === "bad-sector" && action.cannotBeWritten === true) {
    const { cannotBeWritten: _, ...rest } = action;
    yield rest;
  }
}
