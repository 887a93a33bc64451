/**
 * The golden cases of kind `dm`: every view is played again by mapped devices that run here, on copies. What is read, the `table` and `status` lines
 * and everything printed must be what the kernel's were, and no disk is written that the kernel left alone.
 */
import { describe, expect, it } from "vitest";
import { TARGET_TYPES } from "../../src/dm/targets/index.ts";
import { DmCase, targetsOf } from "../support/dm-case.ts";
import { goldenCases } from "../support/golden.ts";

const TYPES = new Set(TARGET_TYPES.map(({ name }) => name));

const VIEWS = goldenCases({ kind: "dm" }).flatMap((golden) =>
  golden.views.map((view) => [`${golden.name}/${view.name}`, golden, view] as const),
);

describe("views of mapped devices", () => {
  it.for(VIEWS)("%s", async ([, golden, view], { skip }) => {
    const missing = targetsOf(view).filter((target) => !TYPES.has(target));
    skip(missing.length > 0, `there is no target ${missing.join(", ")}`);
    const played = await DmCase.of(golden);
    await played.run(view);
    const wanted = Object.entries(view.volumes).map(([label, read]) => {
      const { bytes, sha256, table, status } = read;
      return [label, { bytes, sha256, ...(table === undefined ? {} : { table, status }) }] as const;
    });
    expect(Object.fromEntries(played.looks)).toEqual(Object.fromEntries(wanted));
    // Of the kernel's lines the blank at the end of the last was not recorded.
    expect(played.log.join("\n").trimEnd()).toBe(view.log);
    const changed = await played.changedDisks();
    expect(changed.filter((disk) => !view.members_changed_by_view.includes(disk))).toEqual([]);
  });
});
