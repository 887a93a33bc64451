/** Clients that come over NBD, on connections that break. */
import { mixed } from "../scenario.ts";
import type { Scenario, Weighted } from "../scenario.ts";
import { randomShape } from "../shape.ts";
import { clientActions, trouble } from "./mixed.ts";
import { ANYWHERE } from "./steps.ts";

const REMOTE: readonly Weighted[] = [
  [
    4,
    (prng) => ({
      do: "write",
      sector: prng.below(ANYWHERE),
      sectors: prng.between(1, 24),
      zeros: true,
      ...(prng.chance(0.3) ? { fua: true as const } : {}),
    }),
  ],
  [4, () => ({ do: "alter" })],
  [4, (prng) => ({ do: "break-connection", connection: prng.below(4) })],
  [1, () => ({ do: "withdraw" })],
  [1, () => ({ do: "stop" })],
  [1, () => ({ do: "cut", away: [] })],
];

export const NBD: Scenario = {
  name: "nbd",
  about:
    "as mixed, with clients on NBD connections that break, and power cuts, kills and stops amid their requests",
  make: (prng) => {
    const connections = prng.between(1, 4);
    const shape = randomShape(prng, { connections, sharesBuffers: prng.chance(0.2) });
    const actions = [...clientActions(true), ...REMOTE, ...trouble(shape)];
    return { shape, steps: mixed(prng, prng.between(10, 100), 16, actions) };
  },
};
