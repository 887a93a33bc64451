/** /proc/mdstat, --detail and sysfs of every volume that was read while the golden images were made. */
import { describe, expect, it } from "vitest";
import { recordedView } from "../../test/support/array-view.ts";
import { goldenCases } from "../../test/support/golden.ts";
import type { GoldenRead } from "../../test/support/golden.ts";
import { detailText } from "./detail-text.ts";
import { mdstatText } from "../md/view/mdstat-text.ts";
import { readSysfs, sysfsNames } from "../md/view/sysfs-text.ts";

const READS = goldenCases({ kind: "md" }).flatMap((golden) =>
  golden.views.flatMap((view) =>
    Object.entries(view.volumes)
      .filter(([, read]) => read.sysfs !== undefined && read.mdstat !== undefined)
      .map(([label, read]): [string, GoldenRead] => [`${golden.name} ${view.name} ${label}`, read]),
  ),
);

describe("recorded arrays", () => {
  it.each(READS)("mdstat of %s", (_name, read) => {
    const names = [...(read.mdstat ?? "").split("\n")[0]!.matchAll(/\[(\w+)\]/g)].map(
      ([, name]) => name!,
    );
    expect(mdstatText(names, [recordedView(read)!])).toBe(read.mdstat);
  });

  it.each(READS)("--detail of %s", (_name, read) => {
    const text = detailText(recordedView(read)!, { homehost: null, hasEnough: true });
    expect(text.trimEnd()).toBe(read.detail?.trimEnd());
  });

  it.each(READS)("sysfs of %s", (_name, read) => {
    const view = recordedView(read)!;
    const ours = Object.keys(read.sysfs!).map((name) => [name, readSysfs(view, name)?.trimEnd()]);
    expect(Object.fromEntries(ours)).toEqual(read.sysfs);
    expect(sysfsNames(view).filter((name) => readSysfs(view, name) === null)).toEqual([]);
  });
});
