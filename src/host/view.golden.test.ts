/** Golden arrays, assembled read-only: what a kernel showed of them is what is shown here. */
import { describe, expect, it } from "vitest";
import { recordedView } from "../../test/support/array-view.ts";
import { goldenCases, unpackImage, viewAssemblies } from "../../test/support/golden.ts";
import type { GoldenCase, ViewAssembly } from "../../test/support/golden.ts";
import { HostWorld } from "../../test/support/host-world.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import { mdstatText } from "../md/view/mdstat-text.ts";

interface Case {
  readonly golden: GoldenCase;
  readonly assembly: ViewAssembly;
  readonly recorded: ArrayView;
}

/** Those whose first view is of an array that was only read. */
function casesOf(golden: GoldenCase): Case[] {
  const [view] = golden.views;
  if (view === undefined) return [];
  const assembly = viewAssemblies(golden, view).find((one) => one.read !== null && one.readonly);
  const recorded = assembly === undefined ? null : recordedView(assembly.read!);
  // Arrays in the middle of a reshape are not run here.
  const isRun =
    recorded !== null &&
    recorded.reshape === null &&
    ["none", "resync", "bitmap", "ppl", "journal"].includes(recorded.consistencyPolicy) &&
    recorded.bitmap?.kind !== "file";
  return isRun ? [{ golden, assembly: assembly!, recorded }] : [];
}

const CASES = goldenCases({ kind: "md" }).flatMap(casesOf);

/** The kernel's names for the disks, and what was not recorded. */
function asRecorded(view: ArrayView, recorded: ArrayView): ArrayView {
  const { syncSpeedMinKib, syncSpeedMaxKib, safeModeDelayMs, lastSyncAction } = recorded;
  return {
    ...view,
    syncSpeedMinKib,
    syncSpeedMaxKib,
    safeModeDelayMs,
    lastSyncAction,
    members: view.members.map((member, at) => ({
      ...member,
      // A kernel writes a journal out even for an array that is only read, and says where it goes on.
      recoveryStartSectors: member.journal
        ? recorded.members[at]!.recoveryStartSectors
        : member.recoveryStartSectors,
      major: 98,
      minor: 16 * (member.device.codePointAt(3)! - 97),
    })),
  };
}

describe("views of golden arrays", () => {
  it("are many", () => {
    expect(CASES.length).toBeGreaterThan(40);
  });

  it.each(CASES.map((one) => [one.golden.name, one] as const))("%s", async (_name, one) => {
    const { golden, assembly, recorded } = one;
    const world = new HostWorld();
    const paths = assembly.devices.map((index) => {
      const path = `/dev/${golden.members[index]!.dev.replace("/dev/", "")}`;
      world.addDisk(path, unpackImage(golden, index));
      return path;
    });
    const before = world.snapshot();
    const { run, force } = assembly;
    const { array } = await world.assemble(paths, { mode: "read-only", run, force });
    const shown = asRecorded(array, recorded);
    expect(shown).toEqual(recorded);
    expect(mdstatText([], [shown])).toBe(
      assembly.read!.mdstat!.replace(/^.*\n/, "Personalities : \n"),
    );
    expect(world.snapshot()).toEqual(before);
  });
});
