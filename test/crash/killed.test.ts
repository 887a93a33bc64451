/**
 * SIGKILL of the daemon in the middle of writes, resync, recovery, replacement and checks, over all redundant levels at once: after the restart
 * every acknowledged write is there and nothing else has changed, all become alike again, and the kernel agrees.
 *
 * `HOLDFAST_SEED=N` replays what chance decided, `HOLDFAST_KILLS=N` asks for more kills than 20.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GUEST_PROGRAMS } from "../kernel/rootfs.ts";
import { peerTest } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { askKernel, copyCrashed } from "./kernel.ts";
import type { CrashedCopy } from "./kernel.ts";
import { Rounds } from "./rounds.ts";
import { SHAPES } from "./shapes.ts";

const SEED = seedOfRun();
const KILLS = Number(process.env["HOLDFAST_KILLS"] ?? 20);
const COPIES_OF_EACH = 2;

describe(`a daemon with ${SHAPES.length} arrays that is killed ${KILLS} times, seed ${SEED}`, () => {
  let folder = "";
  let rounds: Rounds;
  const copies: CrashedCopy[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-killed-"));
    rounds = new Rounds({
      seed: SEED,
      rounds: KILLS,
      folder,
      onCrash: (round, arrays) => {
        for (const [at, array] of arrays.entries()) {
          const already = copies.filter(({ name }) => name.endsWith(array.shape.name)).length;
          // Not all of the same kill, so not all in the same mood.
          const isDue = (round + at) % Math.ceil(KILLS / 4) === 0;
          if (isDue && already < COPIES_OF_EACH && array.isSound)
            copies.push(copyCrashed(array, round, join(folder, "copies")));
        }
      },
    });
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it(
    "has everything that was answered when it is started again",
    { timeout: 60_000 * KILLS },
    async () => {
      await rounds.run();
      const { figures } = rounds;
      if (process.env["HOLDFAST_KILLS"] !== undefined)
        console.log([...figures].map(([what, count]) => `${what}: ${count}`).join("\n"));
      expect(figures.get("killed")).toBe(KILLS * SHAPES.length);
    },
  );

  peerTest(
    GUEST_PROGRAMS,
    "left arrays that the kernel reads the same way, and finds no mismatch in",
    async () => {
      expect(copies.length).toBeGreaterThan(0);
      expect(await askKernel(copies, join(folder, "guest"))).toEqual([]);
    },
    300_000,
  );
});
