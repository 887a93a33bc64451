/**
 * fio verifies what it has written to arrays of all redundant levels, while members fail, leave, and come back or are replaced by new ones.
 *
 * `HOLDFAST_SOAK_MINUTES=N` lets it go on for longer; `node test/crash/soak.mjs --minutes 120` is the same with a report.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { nodeEnv } from "../../src/env/node/env.ts";
import { openNbdDevice } from "../../src/devices/nbd.ts";
import { writeSectors } from "../../src/block/promises.ts";
import { launchHoldfastd } from "../support/holdfastd.ts";
import { peerTest } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { runFio } from "./fio.ts";
import { createCall, SHAPES } from "./shapes.ts";
import { soak } from "./soak.ts";

const MINUTES = Number(process.env["HOLDFAST_SOAK_MINUTES"] ?? 2);

peerTest(
  ["fio"],
  `fio finds all it has written, for ${MINUTES} minutes (seed ${seedOfRun()})`,
  async () => {
    const options = { seed: seedOfRun(), minutes: MINUTES, log: () => {} };
    const report = await soak({ ...options, folder: testFolder("soak") });
    expect(report.failures).toBeGreaterThan(SHAPES.length);
    expect(report.returns).toBeGreaterThan(0);
    expect(report.newMembers).toBeGreaterThan(0);
    expect(report.verifiedBytes).toBeGreaterThan(report.writtenBytes);
  },
  (MINUTES + 5) * 60_000,
);

peerTest(["fio"], "fio says so when a sector is not what it has written", async () => {
  const folder = testFolder("soak");
  const state = join(folder, "state");
  const shape = SHAPES[0]!;
  const members = Array.from({ length: shape.disks }, (_unused, at) =>
    emptyDisk(join(folder, `${at}.img`), 4 * 1024 * 1024),
  );
  const daemon = await launchHoldfastd(["--state", state]);
  try {
    await (await daemon.client()).create(createCall(shape, { members, journal: null }));
    const uri = `nbd+unix:///${shape.name}?socket=${join(state, "nbd.sock")}`;
    const pass = { uri, seed: 1, blockKib: 4, verifyOnly: false, tick: () => {} };
    await runFio(pass);
    await runFio({ ...pass, verifyOnly: true });
    const device = await openNbdDevice(nodeEnv(), uri, { readOnly: false });
    await writeSectors(device, 1001, new Uint8Array(512));
    await device.close();
    await expect(runFio({ ...pass, verifyOnly: true })).rejects.toThrow("fio with seed 1 ended");
  } finally {
    await daemon.end("SIGKILL");
  }
});
