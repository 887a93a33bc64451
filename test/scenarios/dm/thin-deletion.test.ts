/** dmtest-python's tests of deleting thin devices (thin/deletion_tests.py). */
import { describe, expect, it } from "vitest";
import { BLOCK, ThinMachine } from "./thin-machine.ts";

const MANY = 300;

describe("dmtest thin/deletion", () => {
  it("/create-delete-cycle", async () => {
    const m = await ThinMachine.make({ metadataBlocks: 128 });
    const before = await m.poolStatus();
    for (let turn = 0; turn < MANY; turn += 1) {
      await m.message("pool", "create_thin 0");
      await m.message("pool", "delete 0");
    }
    // Nothing is left of any of them.
    expect(await m.poolStatus()).toEqual(before);
    await m.sound();
  });

  it("/create-many-delete-many", async () => {
    const m = await ThinMachine.make();
    const before = await m.poolStatus();
    for (let id = 0; id < MANY; id += 1) await m.message("pool", `create_thin ${id}`);
    expect((await m.poolStatus()).metadataUsed).toBeGreaterThan(before.metadataUsed + MANY - 1);
    for (let id = 0; id < MANY; id += 1) await m.message("pool", `delete ${id}`);
    expect(await m.poolStatus()).toEqual(before);
    await m.sound();
  });

  it("/create-delete-rolling", async () => {
    const m = await ThinMachine.make();
    for (let id = 0; id < MANY; id += 1) await m.message("pool", `create_thin ${id}`);
    const before = await m.poolStatus();
    for (let id = 0; id < MANY; id += 1) {
      await m.message("pool", `delete ${id}`);
      await m.message("pool", `create_thin ${id}`);
    }
    expect(await m.poolStatus()).toEqual(before);
    await m.sound();
  });

  it("/delete-provisioned-thin", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0, 512);
    await m.fill("t", 1);
    expect((await m.poolStatus()).dataUsed * BLOCK).toBe(m.volume("t").sectors);
    await m.remove("t");
    await m.message("pool", "delete 0");
    expect((await m.poolStatus()).dataUsed).toBe(0);
    await m.sound();
  });

  it("/delete-unknown-id-fails", async () => {
    const m = await ThinMachine.make();
    expect(await m.refused("message pool 0 delete 0")).toContain("no device 0");
    expect((await m.poolStatus()).mode).toBe("rw");
    await m.sound();
  });

  it("/delete-active-id-fails", async () => {
    const m = await ThinMachine.make();
    await m.newThin("t", 0);
    expect(await m.refused("message pool 0 delete 0")).toContain("Device or resource busy");
    await m.fill("t", 1, 0, 8);
    expect((await m.poolStatus()).dataUsed).toBe(1);
    await m.sound("t");
  });

  it("/delete-after-out-of-space", async () => {
    const m = await ThinMachine.make({ dataBlocks: 128, features: "error_if_no_space" });
    await m.newThin("t", 0, 256);
    await expect(m.fill("t", 1)).rejects.toMatchObject({ code: "no-space" });
    expect(await m.poolStatus()).toMatchObject({ mode: "out_of_data_space", dataUsed: 128 });
    // Other devices can still be made and deleted.
    await m.message("pool", "create_thin 1");
    await m.message("pool", "delete 1");
    expect(await m.poolStatus()).toMatchObject({ mode: "out_of_data_space" });
    await m.remove("t");
    await m.message("pool", "delete 0");
    expect(await m.poolStatus()).toMatchObject({ mode: "rw", dataUsed: 0 });
    await m.sound();
  });
});
