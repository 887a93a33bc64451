/**
 * What the kernel completed in the golden cases, completed by Holdfast: the commands of every view that may write (resync, recovery,
 * replacement, check, repair, re-adding) are done by running arrays on copies, and what is read at the end, with and without members, must
 * have the recorded sha256.
 */
import { describe, expect, it } from "vitest";
import { goldenCases } from "./support/golden.ts";
import type { GoldenCase, GoldenView } from "./support/golden.ts";
import { GoldenMachine } from "./support/golden-machine.ts";

/** By a word in the commands or the case's family: what is not done here. */
function leftOut(golden: GoldenCase, view: GoldenView): string | null {
  if (golden.family.startsWith("reshape") || golden.name.startsWith("reshape")) return "reshape";
  if (view.commands.some((command) => command.startsWith("mount "))) return "a bitmap in a file";
  return null;
}

const VIEWS = goldenCases({ kind: "md" }).flatMap((golden) =>
  golden.views
    .filter((view) => view.mode === "rw" && leftOut(golden, view) === null)
    .map((view) => [`${golden.name}/${view.name}`, golden, view] as const),
);

describe("views that may write", () => {
  it.each(VIEWS)("%s", async (_name, golden, view) => {
    const machine = new GoldenMachine(golden);
    await machine.run(view);
    const counted = /^(\d+)$/m.exec(view.log)?.[1];
    const hasCount = view.commands.some((command) => command.includes("mismatch_cnt"));
    if (hasCount) expect(machine.mismatches).toBe(Number(counted));
    const read = Object.fromEntries(machine.reads);
    const wanted = Object.entries(view.volumes).map(([label, one]) => [label, one.sha256]);
    expect(read).toEqual(Object.fromEntries(wanted));
  });
});
