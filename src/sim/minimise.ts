/**
 * Minimise: the shortest story that is still broken in the same way. Delta debugging (Zeller's ddmin) over the steps, then a plainer
 * array, then plainer steps, until nothing can be left out any more. It tries the same things in the same order each time.
 */
import type { Outcome } from "./play.ts";
import { isMapped } from "./script.ts";
import type { Action, Script, Timed } from "./script.ts";
import type { MappedAction } from "./mapped/action.ts";
import { plainerStacks } from "./mapped/stack.ts";
import { fewestDisks } from "./shape.ts";
import type { Shape } from "./shape.ts";

const MOST_PLAYS = 1000;

type AnyAction = Action | MappedAction;
type AnyStep = Timed<AnyAction>;

/** What kind of mistake it is: the first line, whatever its numbers. */
export function signatureOf(what: readonly string[]): string {
  return (what[0] ?? "").split("\n")[0]!.replaceAll(/\d+/g, "#");
}

/** @param replay plays a script; with what broke `script` */
export async function minimise<S extends Script>(
  script: S,
  replay: (script: S) => Promise<Outcome>,
): Promise<S> {
  const { what } = await replay(script);
  const signature = signatureOf(what);
  let plays = 0;
  const isSame = async (candidate: S): Promise<boolean> => {
    plays += 1;
    if (plays > MOST_PLAYS) return false;
    const outcome = await replay(candidate);
    return outcome.kind === "broken" && signatureOf(outcome.what) === signature;
  };
  let least = script;
  for (let before: S | null = null; before !== least;) {
    before = least;
    least = await fewerSteps(least, isSame);
    least = await firstThatHolds(least, plainer, isSame);
    least = await plainerSteps(least, isSame);
  }
  return least;
}

type Judge<S> = (script: S) => Promise<boolean>;

/** @param steps of the script's own kind */
function withSteps<S extends Script>(script: S, steps: readonly AnyStep[]): S {
  return { ...script, steps };
}

/** Runs of steps, long ones first; what happened after them is left to happen if that is needed. */
async function fewerSteps<S extends Script>(script: S, isSame: Judge<S>): Promise<S> {
  let least = script;
  for (let length = Math.ceil(script.steps.length / 2); length > 0; length = Math.floor(length / 2))
    for (let at = 0; at < least.steps.length;) {
      const shorter = await without(least, at, length, isSame);
      if (shorter === null) at += length;
      else least = shorter;
    }
  return least;
}

async function without<S extends Script>(
  script: S,
  at: number,
  length: number,
  isSame: Judge<S>,
): Promise<S | null> {
  const steps: readonly AnyStep[] = script.steps;
  const before = steps.slice(0, at);
  const after = steps.slice(at + length);
  const events = steps.slice(at, at + length).reduce((sum, step) => sum + step.events, 0);
  const candidates = [[...before, ...after]];
  const last = before.at(-1);
  if (last !== undefined && events > 0)
    candidates.push([...before.slice(0, -1), { ...last, events: last.events + events }, ...after]);
  for (const candidate of candidates) {
    const shorter = withSteps(script, candidate);
    if (await isSame(shorter)) return shorter;
  }
  return null;
}

/** Takes the first that is still broken, and begins again, until none is. */
async function firstThatHolds<S extends Script>(
  script: S,
  simplerOnes: (script: S) => Iterable<S>,
  isSame: Judge<S>,
): Promise<S> {
  for (const candidate of simplerOnes(script))
    if (await isSame(candidate)) return firstThatHolds(candidate, simplerOnes, isSame);
  return script;
}

function* plainer<S extends Script>(script: S): Iterable<S> {
  if (isMapped(script)) for (const stack of plainerStacks(script.stack)) yield { ...script, stack };
  else for (const shape of plainerShapes(script.shape)) yield { ...script, shape };
}

function* plainerShapes(shape: Shape): Iterable<Shape> {
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
  if (shape.connections !== undefined) yield local;
  for (const change of changes) {
    const changed = { ...shape, ...change };
    if (JSON.stringify(changed) !== JSON.stringify(shape)) yield changed;
  }
}

async function plainerSteps<S extends Script>(script: S, isSame: Judge<S>): Promise<S> {
  let least = script;
  for (let at = 0; at < script.steps.length; at += 1)
    least = await firstThatHolds(least, (from) => withPlainer(from, at), isSame);
  return least;
}

function* withPlainer<S extends Script>(script: S, at: number): Iterable<S> {
  const steps: readonly AnyStep[] = script.steps;
  for (const step of simpler(steps[at]!)) yield withSteps(script, steps.with(at, step));
}

function* simpler({ action, events }: AnyStep): Iterable<AnyStep> {
  if (events > 0) yield { action, events: 0 };
  if (events > 1) yield { action, events: Math.floor(events / 2) };
  if (events > 2) yield { action, events: events - 1 };
  for (const simple of simplerActions(action)) yield { action: simple, events };
}

function* simplerActions(action: AnyAction): Iterable<AnyAction> {
  if (action.do === "write") {
    const { fua, preflush, ...plain } = action;
    if (fua === true && preflush === true) yield { ...plain, fua };
    if (fua === true || preflush === true) yield plain;
    if ("zeros" in action) {
      const { zeros: _, ...rest } = action;
      yield rest;
    }
  }
  if (action.do === "write" || action.do === "read" || action.do === "discard") {
    if (action.sectors > 1) yield { ...action, sectors: 1 };
    if (action.sectors > 3) yield { ...action, sectors: Math.floor(action.sectors / 2) };
    if (action.sector > 0) yield { ...action, sector: 0 };
  }
  if (action.do === "wait" && action.ms > 1) yield { ...action, ms: Math.floor(action.ms / 2) };
  if (action.do === "cut" && "away" in action && action.away.length > 0)
    yield { ...action, away: [] };
  if (action.do === "bad-sector" && action.cannotBeWritten === true) {
    const { cannotBeWritten: _, ...rest } = action;
    yield rest;
  }
}
