/** What is written down before a call, while it is worked on, and after it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fakeHost } from "../../test/support/fake-host.ts";
import { goldenCase } from "../../test/support/golden.ts";
import { recordedView } from "../../test/support/array-view.ts";
import { testFolder } from "../../test/support/temp.ts";
import { HoldfastError } from "../base/errors.ts";
import { nodeEnv } from "../env/node/env.ts";
import type { AddCall } from "../host/array-host.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import { recordingHost } from "./recording-host.ts";
import { StateKeeper } from "./state-keeper.ts";

const golden = goldenCase("raid1-2-bitmap");
const recorded = recordedView(Object.values(golden.views[0]!.volumes)[0]!)!;

const ADD: AddCall = {
  array: "md0",
  device: "/disks/new",
  as: "member",
  writeMostly: null,
  failFast: null,
  update: null,
};

function view(changes: Partial<ArrayView["members"][number]> = {}): ArrayView {
  const members = recorded.members.map((one, at) => ({
    ...one,
    path: `/disks/${at}`,
    ...(at === 1 ? changes : {}),
  }));
  return { ...recorded, kernelName: "md0", path: "/dev/md0", members };
}

function listedIn(folder: string): readonly string[] {
  const text = readFileSync(join(folder, "state.json"), "utf8");
  const { arrays } = JSON.parse(text) as { arrays: readonly { devices: readonly string[] }[] };
  return arrays[0]!.devices;
}

it("lists a device before it joins, since superblocks count on it before that is answered", async () => {
  const folder = testFolder("recording");
  const seen: (readonly string[])[] = [];
  const { host } = fakeHost({
    arrays: async () => [view()],
    add: async () => {
      seen.push(listedIn(folder));
      throw new HoldfastError("busy", "It may not.");
    },
  });
  const recording = recordingHost(host, new StateKeeper(nodeEnv(), folder, host));
  await expect(recording.add(ADD)).rejects.toMatchObject({ code: "busy" });
  expect(seen).toEqual([["/disks/0", "/disks/1", "/disks/new"]]);
  expect(listedIn(folder)).toEqual(["/disks/0", "/disks/1"]);
});

it("lists a member that has failed until it is removed, since the superblocks may not know of it yet", async () => {
  const folder = testFolder("recording");
  const { host } = fakeHost({ arrays: async () => [view({ faulty: true, slot: null })] });
  await new StateKeeper(nodeEnv(), folder, host).record();
  expect(listedIn(folder)).toEqual(["/disks/0", "/disks/1"]);
});
