import { describe, expect, it } from "vitest";
import { recordedView } from "../../test/support/array-view.ts";
import { goldenCase } from "../../test/support/golden.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import { detailBriefText, detailExportText, detailText } from "./detail-text.ts";
import { mdstatText } from "../md/view/mdstat-text.ts";

function viewOf(name: string, changes: Partial<ArrayView> = {}): ArrayView {
  const read = Object.values(goldenCase(name).views[0]!.volumes)[0]!;
  return { ...recordedView(read)!, ...changes };
}

const UUID = "3695fc82:1d9dac36:5ee1c710:c685c794";

describe("--detail --brief and --export", () => {
  const spared = viewOf("raid5-3-spare-dataoffset2m");

  it("is a line for mdadm.conf", () => {
    expect(detailBriefText(spared, false)).toBe(
      `ARRAY /dev/md0 metadata=1.2 spares=1 name=holdfast:gold UUID=${UUID}\n`,
    );
    expect(detailBriefText({ ...spared, state: "inactive", name: null }, true)).toBe(
      `INACTIVE-ARRAY /dev/md0 level=raid5 num-devices=3 metadata=1.2 spares=1 UUID=${UUID}\n   devices=/dev/ubda,/dev/ubdb,/dev/ubdc,/dev/ubdd\n`,
    );
  });

  it("is NAME=value for udev", () => {
    expect(
      detailExportText({ ...spared, path: "/dev/md/gold" })
        .split("\n")
        .slice(0, 8),
    ).toEqual([
      "MD_LEVEL=raid5",
      "MD_DEVICES=3",
      "MD_METADATA=1.2",
      `MD_UUID=${UUID}`,
      "MD_DEVNAME=gold",
      "MD_NAME=holdfast:gold",
      "MD_DEVICE_dev_ubda_ROLE=0",
      "MD_DEVICE_dev_ubda_DEV=/dev/ubda",
    ]);
    expect(detailExportText(spared)).toContain("MD_DEVICE_dev_ubdd_ROLE=spare\n");
  });
});

describe("states that no golden array was in", () => {
  const context = { homehost: "holdfast", hasEnough: false };

  it("says when too few are left, whose host it is, and what waits", () => {
    const view = viewOf("raid5-4-ls-c64");
    const one = { ...view, members: view.members.slice(0, 2), degraded: 2 };
    const text = detailText(one, context);
    expect(text).toContain("             State : clean, FAILED \n");
    expect(text).toContain("Name : holdfast:gold  (local to host holdfast)\n");
    expect(text).toContain("       -       0        0        1      removed\n");
    const mark = { doneSectors: 0, totalSectors: 0, sinceMarkSeconds: 0, sinceMarkSectors: 0 };
    const delayed = { ...view, sync: { kind: "resync", phase: "delayed", ...mark } as const };
    expect(detailText(delayed, context)).toContain("State : clean, resyncing (DELAYED) \n");
    expect(mdstatText([], [delayed])).toContain("      \tresync=DELAYED\n");
  });

  it("mdstat: recovery with its time and speed, and an inactive array", () => {
    // 37043392 of 292945152 KiB at 33440 KiB a second.
    const view = viewOf("raid5-4-ls-c64", {
      sync: {
        kind: "recovery",
        phase: "running",
        doneSectors: 2 * 37_043_392,
        totalSectors: 2 * 292_945_152,
        sinceMarkSeconds: 10,
        sinceMarkSectors: 2 * 334_400,
      },
    });
    expect(mdstatText([], [view])).toContain(
      "      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec\n",
    );
    const inactive = viewOf("raid1-2-bitmap", { state: "inactive" });
    const text = mdstatText(["raid1"], [inactive]);
    expect(text).toContain(
      "md0 : inactive ubda[0] ubdb[1]\n      15360 blocks super 1.2\n       \n",
    );
  });
});
