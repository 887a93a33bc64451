import { expect, it } from "vitest";
import { topFunctions } from "./profile.ts";

const node = (id: number, functionName: string, url = "") => ({
  id,
  callFrame: { functionName, url },
});

it("adds up own time by function and leaves idle time out", () => {
  const nodes = [
    node(1, "(idle)"),
    node(2, "submit", "file:///x/dist/chunks/file-ABCDEFGH.mjs"),
    node(3, "submit", "file:///x/dist/chunks/file-ABCDEFGH.mjs"),
    node(4, "", "node:net"),
  ];
  const top = topFunctions({ nodes, samples: [1, 2, 4, 3], timeDeltas: [90, 5, 2, 1] });
  expect(top).toEqual([
    { name: "submit file", share: 0.75 },
    { name: "(anonymous) node:net", share: 0.25 },
  ]);
});
