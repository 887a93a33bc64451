/**
 * What the kernel completed in the golden cases, completed by Holdfast: the commands of every view that may write (resync, recovery,
 * replacement, check, repair, re-adding) are done by running arrays on copies, and what is read at the end, with and without members, must
 * have the recorded sha256.
 */
import { describe, expect, it } from "vitest";
import { goldenCase, goldenCases } from "./support/golden.ts";
import type { GoldenCase } from "./support/golden.ts";
import { GoldenMachine } from "./support/golden-machine.ts";

/** Nothing is reshaped here. */
function isReshaped({ name }: GoldenCase): boolean {
  return name.startsWith("reshape");
}

const VIEWS = goldenCases({ kind: "md" }).flatMap((golden) =>
  golden.views
    .filter((view) => view.mode === "rw" && !isReshaped(golden))
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

  it("repair by evidence what P and Q agree on", async () => {
    const golden = goldenCase("scrub-raid6-5");
    const machine = new GoldenMachine(golden);
    await machine.run(
      golden.views.find(({ name }) => name === "repair")!,
      "evidence",
    );
    const before = golden.read_before_stop!["before"]!.sha256;
    expect(machine.reads.get("volume")).toBe(before);
    expect(machine.reads.get("without-d0")).toBe(before);
  });
});
