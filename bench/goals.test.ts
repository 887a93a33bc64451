import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../scripts/setup.mjs";
import { CELLS } from "./cells.ts";
import { GOAL_IDS, GOALS, needsVariant } from "./goals.ts";

it.each(GOALS.map((goal) => [goal.id, goal] as const))("there are cells for %s", (_id, goal) => {
  const cells = CELLS.filter(({ id }) => goal.cells.test(id));
  expect(cells.some(({ isQuick }) => isQuick)).toBe(true);
  for (const each of cells) {
    if (each.kind === "load") expect(Object.keys(each.variants)).toContain(goal.of);
    if (each.kind === "load") expect(Object.keys(each.variants)).toContain(goal.to);
    expect(needsVariant(each.id, goal.of)).toBe(true);
  }
});

it("gives each goal an id of its own, and a place in the documentation", () => {
  expect(new Set(GOAL_IDS).size).toBe(GOAL_IDS.length);
  const text = readFileSync(join(ROOT, "docs", "PERFORMANCE.md"), "utf8");
  const anchors = [...text.matchAll(/<a id="goal-([\w-]+)"><\/a>/g)].map(([, id]) => id);
  expect(anchors).toEqual(GOAL_IDS);
});
