/**
 * SIGKILL of the daemon in the middle of writes, resync, recovery, replacement and checks, over all redundant levels at once: after the restart
 * every acknowledged write is there and nothing else has changed, all become alike again, and the kernel agrees.
 *
 * `HOLDFAST_SEED=N` replays what chance decided, `HOLDFAST_KILLS=N` asks for more than 20 kills.
 */
import { expect, it } from "vitest";
import { SHAPES } from "./shapes.ts";
import { Rounds } from "./rounds.ts";
import { seedOfRun } from "../support/seed.ts";
import { testFolder } from "../support/temp.ts";

const SEED = seedOfRun();
const KILLS = Number(process.env["HOLDFAST_KILLS"] ?? 20);

it(`a daemon that is killed ${KILLS} times with ${SHAPES.length} arrays (seed ${SEED})`, async () => {
  const rounds = new Rounds({ seed: SEED, rounds: KILLS, folder: testFolder("killed") });
  await rounds.run();
  console.log([...rounds.figures].map(([what, count]) => `${what}: ${count}`).join("\n"));
  expect(rounds.figures.get("killed")).toBe(KILLS * SHAPES.length);
}, 600_000);
