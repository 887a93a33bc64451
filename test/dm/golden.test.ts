/**
 * The golden cases of kind `dm`: every view is played again by mapped devices that run here, on copies. What is read, the `table` and `status` lines
 * and everything printed must be what the kernel's were, and no disk is written that the kernel left alone.
 */
import { describe, expect, it } from "vitest";
import { TARGET_TYPES } from "../../src/dm/targets/index.ts";
import { DmCase, targetsOf } from "../support/dm-case.ts";
import { goldenCases } from "../support/golden.ts";

const TYPES = new Set(TARGET_TYPES.map(({ name }) => name));

/** Of targets that are there: a new one brings its views. */
const VIEWS = goldenCases({ kind: "dm" }).flatMap((golden) =>
  golden.views
    .filter((view) => targetsOf(view).every((target) => TYPES.has(target)))
    .map((view) => [`${golden.name}/${view.name}`, golden, view] as const),
);

/**
 * Where the kernel leaves copies that differ after a crash and calls them in sync (docs/kernel/dm-raid.md), they are made alike here: the view reads
 * as that other one of its case does, and these disks are written.
 */
const MADE_ALIKE: Readonly<Record<string, { readonly as: string; readonly written: number }>> = {
  "dm-raid1-2-crash/again": { as: "again", written: 3 },
  "dm-raid1-2-crash/without-m0": { as: "again", written: 3 },
};

describe("views of mapped devices", () => {
  it.for(VIEWS)("%s", async ([name, golden, view]) => {
    const played = await DmCase.of(golden);
    await played.run(view);
    const alike = MADE_ALIKE[name];
    const other = golden.views.find((one) => one.name === alike?.as)?.volumes;
    const wanted = Object.entries(view.volumes).map(([label, read]) => {
      const { bytes, table, status } = read;
      const { sha256 } = other?.[label] ?? read;
      return [label, { bytes, sha256, ...(table === undefined ? {} : { table, status }) }] as const;
    });
    expect(Object.fromEntries(played.looks)).toEqual(Object.fromEntries(wanted));
    // Of the kernel's lines the blank at the end of the last was not recorded.
    if (alike === undefined) expect(played.log.join("\n").trimEnd()).toBe(view.log);
    const changed = await played.changedDisks();
    const mayChange = new Set<number | undefined>([
      ...view.members_changed_by_view,
      alike?.written,
    ]);
    expect(changed.filter((disk) => !mayChange.has(disk))).toEqual([]);
  });
});
