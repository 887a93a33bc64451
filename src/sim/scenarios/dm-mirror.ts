/** Mirrors: power cuts, legs that fail and come back, tables that are swapped in use. */
import type { Prng } from "../../base/prng.ts";
import type { MappedAction } from "../mapped/action.ts";
import type { MirrorStack } from "../mapped/stack.ts";
import { mixed } from "../scenario.ts";
import type { MappedScenario } from "../scenario.ts";
import { ADMINISTRATION, CUT, KILL, ail, mappedStep, pause, use } from "./mapped.ts";

const FEATURES = ["", "handle_errors", "handle_errors keep_log"] as const;

function stack(prng: Prng, only: Partial<MirrorStack> = {}): MirrorStack {
  return {
    target: "mirror",
    sectors: 1024,
    legs: prng.between(2, 3),
    log: prng.chance(0.75) ? "disk" : "core",
    regionSectors: prng.pick([32, 64, 128]),
    features: prng.pick(FEATURES),
    sharesBuffers: false,
    ...only,
  };
}

const CRASH: MappedScenario = {
  name: "dm-mirror-crash",
  about: "mirrors that are written and cut off, again and again",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 10, [
      [30, (chance) => use(chance)],
      [2, (chance) => pause(chance, 1, 12_000)],
      CUT,
      KILL,
    ]),
  }),
};

const IDLE: MappedScenario = {
  name: "dm-mirror-idle",
  about: "mirrors that are written, left alone until their regions are clean, and cut off",
  make: (prng) => ({
    stack: stack(prng, { log: "disk" }),
    steps: Array.from({ length: prng.between(2, 6) }, () => [
      ...mixed<MappedAction>(prng, prng.between(1, 6), 10, [[1, (chance) => use(chance)]]),
      mappedStep(pause(prng, 0, 25_000), prng.below(40)),
      mappedStep({ do: "cut" }),
    ]).flat(),
  }),
};

const BUFFERS: MappedScenario = {
  name: "dm-mirror-buffers",
  about: "buffers change while they are written to a mirror, whose regions get clean; then a crash",
  make: (prng) => ({
    stack: stack(prng, { log: "disk", sharesBuffers: true }),
    steps: mixed<MappedAction>(prng, prng.between(10, 40), 4, [
      [12, (chance) => use(chance, 1, { within: 256 })],
      [8, () => ({ do: "alter" })],
      [3, (chance) => pause(chance, 1, 16_000)],
      CUT,
      KILL,
    ]),
  }),
};

const FAIL: MappedScenario = {
  name: "dm-mirror-fail",
  about: "legs and logs of mirrors fail and come back; power fails; somebody repairs what is left",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 80), 8, [
      [30, (chance) => use(chance)],
      [3, ail],
      [2, (chance) => ({ do: "return", disk: chance.below(12) })],
      [2, () => ({ do: "repair" })],
      [1, () => ({ do: "convert" })],
      [1, (chance) => pause(chance, 1, 12_000)],
      [1, () => ({ do: "rest" })],
      CUT,
      KILL,
    ]),
  }),
};

const SWAP: MappedScenario = {
  name: "dm-mirror-swap",
  about: "mirrors in use are suspended, loaded again, made linear and mirrors again, and removed",
  make: (prng) => ({
    stack: stack(prng),
    steps: mixed<MappedAction>(prng, prng.between(20, 60), 6, [
      [30, (chance) => use(chance)],
      ...ADMINISTRATION,
      [3, () => ({ do: "convert" })],
      [1, ail],
      [1, (chance) => ({ do: "return", disk: chance.below(12) })],
      [2, () => ({ do: "repair" })],
      [1, (chance) => pause(chance, 1, 3000)],
      CUT,
    ]),
  }),
};

export const MIRROR_SCENARIOS: readonly MappedScenario[] = [CRASH, IDLE, BUFFERS, FAIL, SWAP];
