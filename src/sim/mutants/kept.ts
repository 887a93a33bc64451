/** What was taken is not given back. */
import { makeLevel } from "../../md/running/levels/make.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";

/** Of so many buffers one is kept. */
const ONE_OF = 8;

function keeping(engine: ParityEngine): ParityEngine {
  const { arena } = engine;
  if (arena === null) return engine;
  let given = 0;
  const give = (view: Uint8Array): void => {
    given += 1;
    if (given % ONE_OF !== 0) arena.give(view);
  };
  return { ...engine, arena: standIn(arena, { give }) };
}

export const KEPT_MUTANTS: readonly Mutant[] = [
  {
    name: "buffer-kept",
    about: "of eight buffers that parity was computed in one is not given back",
    law: 7,
    origin: null,
    scenario: "degraded",
    parts: () => ({
      level: (core, ...rest) => {
        const engine = keeping(core.parity());
        return makeLevel(standIn(core, { parity: () => engine }), ...rest);
      },
    }),
  },
];
