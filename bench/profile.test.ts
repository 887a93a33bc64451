import { expect, it } from "vitest";
import { topFunctions } from "./profile.ts";

const node = (id: number, functionName: string, url = "") => ({
  id,
  callFrame: { functionName, url },
});

const nodes = [
  node(1, "(idle)"),
  node(2, "submit", "file:///x/dist/chunks/file-ABCDEFGH.mjs"),
  node(3, "submit", "file:///x/dist/chunks/file-ABCDEFGH.mjs"),
  node(4, "", "node:net"),
];

it("adds up own time by function and leaves idle time out", () => {
  const top = topFunctions([{ nodes, samples: [1, 2, 4, 3], timeDeltas: [90, 5, 2, 1] }]);
  expect(top).toEqual([
    { name: "submit file", share: 0.75 },
    { name: "(anonymous) node:net", share: 0.25 },
  ]);
});

it("takes the thread that was busiest, not the one that waited longest", () => {
  const main = { nodes, samples: [1, 4], timeDeltas: [900, 3] };
  const worker = { nodes, samples: [1, 2], timeDeltas: [10, 400] };
  for (const profiles of [
    [main, worker],
    [worker, main],
  ]) {
    expect(topFunctions(profiles)).toEqual([{ name: "submit file", share: 1 }]);
  }
  expect(() => topFunctions([])).toThrow("no profile");
});
