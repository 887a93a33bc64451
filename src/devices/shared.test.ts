import { join } from "node:path";
import { expect, it } from "vitest";
import { emptyDisk, testFolder } from "../../test/support/temp.ts";
import { nodeEnv } from "../env/node/env.ts";
import { openDevice } from "./open.ts";
import { sharingOpen } from "./shared.ts";

const env = nodeEnv();

it("has a disk open once for all who use parts of it, and lets go of it with the last", async () => {
  const path = emptyDisk(join(testFolder("shared"), "disk"), 1 << 20);
  const open = sharingOpen(openDevice);
  const first = await open(env, path, { readOnly: false, exclusive: true });
  const second = await open(env, path, { readOnly: false, exclusive: true });
  expect(second.sectors).toBe(2048);
  await first.close();
  await first.close();
  const again = openDevice(env, path, { readOnly: true, exclusive: true });
  await expect(again).rejects.toMatchObject({ code: "busy" });
  await second.close();
  const other = await openDevice(env, path, { readOnly: true, exclusive: true });
  await expect(open(env, path, { readOnly: false })).rejects.toMatchObject({ code: "busy" });
  await other.close();
  // What could not be opened is not remembered.
  const third = await open(env, path, { readOnly: true, exclusive: true });
  await expect(open(env, path, { readOnly: false })).rejects.toMatchObject({ code: "busy" });
  await third.close();
});
