import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { testFolder } from "../../test/support/temp.ts";
import { HoldfastError } from "../base/errors.ts";
import { BioFlags } from "../block/bio.ts";
import { discard, flush, readSectors, writeSectors, writeZeroes } from "../block/promises.ts";
import { nodeEnv } from "../env/node/env.ts";
import { FaultyDevice } from "./faulty.ts";
import { openFileDevice } from "./file.ts";
import { MemoryDevice } from "./memory.ts";
import { openOverlayStore } from "./overlay-store.ts";
import { OverlayDevice, openOverlay } from "./overlay.ts";

const env = nodeEnv();
const TIB_SECTORS = 2 ** 31;

function filled(sectors: number, byte: number): Uint8Array {
  return new Uint8Array(sectors * 512).fill(byte);
}

describe("MemoryDevice", () => {
  it("takes pages when they are written and gives them back", async () => {
    const device = new MemoryDevice({ name: "memory", sectors: 64 * TIB_SECTORS });
    await writeSectors(device, 64 * TIB_SECTORS - 1, filled(1, 7));
    expect(device.heldBytes).toBe(4096);
    expect(device.extents(0, device.sectors, 1)[0]?.kind).toBe("hole");
    await discard(device, 0, device.sectors);
    expect(device.heldBytes).toBe(0);
  });

  it("is full at its limit, and a write that does not fit changes nothing", async () => {
    const device = new MemoryDevice({ name: "memory", sectors: 100, limitBytes: 8192 });
    await writeSectors(device, 0, filled(8, 1));
    await expect(writeSectors(device, 4, filled(20, 2))).rejects.toMatchObject({
      code: "no-space",
    });
    expect(await readSectors(device, 4, 4)).toEqual(filled(4, 1));
    await writeSectors(device, 4, filled(8, 3));
    await writeZeroes(device, 0, 8);
    await writeSectors(device, 40, filled(8, 4));
    expect(device.heldBytes).toBe(8192);
  });
});

describe("FileDevice", () => {
  it("says that a part of a sector is left out", async () => {
    const path = join(testFolder("file"), "odd.img");
    writeFileSync(path, new Uint8Array(1000));
    const device = await openFileDevice(env, path, { readOnly: true });
    expect(device.sectors).toBe(1);
    expect(device.notes).toEqual([expect.stringContaining("488 bytes behind its last whole")]);
    await device.close();
  });

  it("says that the file was cut off when a read ends early", async () => {
    const path = join(testFolder("file"), "cut.img");
    writeFileSync(path, new Uint8Array(8192));
    const device = await openFileDevice(env, path, { readOnly: true });
    truncateSync(path, 5000);
    await expect(readSectors(device, 8, 8)).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("ends at byte 5000 now"),
    });
    await device.close();
  });

  it("has the file durable for FUA and preflush, and says so when that fails", async () => {
    const path = join(testFolder("file"), "disk.img");
    writeFileSync(path, new Uint8Array(8192));
    const log: string[] = [];
    let broken = false;
    const spying: typeof env = {
      ...env,
      files: {
        ...env.files,
        async open(name, mode) {
          const file = await env.files.open(name, mode);
          const write = file.write.bind(file);
          const flushFile = file.flush.bind(file);
          file.write = (data, offset, done) => {
            log.push(`write ${offset}`);
            write(data, offset, done);
          };
          file.writeDurably = (data, offset, done) => {
            log.push(`write ${offset} durably`);
            if (broken) done(new HoldfastError("io", "no"));
            else write(data, offset, done);
          };
          file.flush = (done) => {
            log.push("flush");
            if (broken) done(new HoldfastError("io", "no"));
            else flushFile(done);
          };
          return file;
        },
      },
    };
    const device = await openFileDevice(spying, path, { readOnly: false });
    await writeSectors(device, 1, filled(1, 1), BioFlags.fua | BioFlags.preflush);
    await writeSectors(device, 2, filled(1, 1));
    await writeZeroes(device, 3, 1, BioFlags.fua | BioFlags.noUnmap);
    const first = ["flush", "write 512 durably", "write 1024"];
    expect(log).toEqual([...first, "write 1536", "flush"]);
    broken = true;
    await expect(writeSectors(device, 1, filled(1, 1), BioFlags.fua)).rejects.toThrow("no");
    await expect(writeZeroes(device, 1, 1, BioFlags.fua | BioFlags.noUnmap)).rejects.toThrow("no");
    await device.close();
  });
});

describe("OverlayDevice", () => {
  it("opens over 64 TiB, keeps its files sparse and removes them", async () => {
    const base = new MemoryDevice({ name: "base", sectors: 64 * TIB_SECTORS, readOnly: true });
    const folder = testFolder("overlay");
    const device = await openOverlay(env, base, { kind: "folder", folder });
    expect(readdirSync(folder).length).toBe(8);
    const far = 64 * TIB_SECTORS - 5;
    await writeSectors(device, far, filled(3, 9), BioFlags.fua);
    expect(await readSectors(device, far - 1, 6)).toEqual(
      Uint8Array.from({ length: 6 * 512 }, (_unused, i) => (i >= 512 && i < 2048 ? 9 : 0)),
    );
    const used = readdirSync(folder).map((name) => statSync(join(folder, name)).blocks);
    expect(Math.max(...used)).toBeLessThan(100);
    await writeZeroes(device, 0, device.sectors);
    expect(device.extents(0, device.sectors, 2)).toEqual([
      { sector: 0, sectors: device.sectors, kind: "hole" },
    ]);
    await device.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("keeps its file when asked to", async () => {
    const folder = testFolder("overlay");
    const base = new ArrayDevice(16, { readOnly: true });
    const device = await openOverlay(env, base, { kind: "folder", folder, keep: true });
    await writeSectors(device, 1, filled(1, 5));
    await device.close();
    const [name] = readdirSync(folder);
    expect(readFileSync(join(folder, name!)).subarray(512, 1024)).toEqual(Buffer.alloc(512, 5));
    expect(base.closed).toBe(false);
  });

  it("names the folder that is not there", async () => {
    const folder = join(testFolder("overlay"), "none");
    const open = openOverlay(env, new ArrayDevice(8), { kind: "folder", folder });
    await expect(open).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining(folder),
    });
  });

  it("ends with no-space when the memory is used up, and blocks keep what they had", async () => {
    const base = new ArrayDevice(64, { readOnly: true });
    base.bytes.fill(1);
    const device = await openOverlay(env, base, { kind: "memory", limitBytes: 8192 });
    await writeSectors(device, 0, filled(16, 2));
    await expect(writeSectors(device, 20, filled(1, 3))).rejects.toMatchObject({
      code: "no-space",
    });
    expect(await readSectors(device, 16, 8)).toEqual(filled(8, 1));
    await writeSectors(device, 0, filled(16, 4));
    await discard(device, 0, 8);
    await writeSectors(device, 20, filled(1, 3));
    expect(await readSectors(device, 20, 2)).toEqual(
      Uint8Array.from([...filled(1, 3), ...filled(1, 1)]),
    );
    await device.close();
  });

  it("passes on what goes wrong below and never writes to the base", async () => {
    const array = new ArrayDevice(32);
    const base = new FaultyDevice(array);
    const store = new FaultyDevice(new MemoryDevice({ name: "store", sectors: 32 }));
    const device = new OverlayDevice(base, store);
    base.failReads(8, 8);
    await expect(writeSectors(device, 9, filled(1, 1))).rejects.toMatchObject({ code: "io" });
    // A whole block needs nothing of the base.
    await writeSectors(device, 8, filled(8, 1));
    expect(await readSectors(device, 8, 8)).toEqual(filled(8, 1));
    store.failWrites(0, 8);
    await expect(writeSectors(device, 0, filled(8, 1))).rejects.toMatchObject({ code: "io" });
    expect(await readSectors(device, 0, 8)).toEqual(filled(8, 0));
    store.failFlushes();
    await expect(flush(device)).rejects.toMatchObject({ code: "io" });
    const preflushed = writeSectors(device, 8, filled(8, 2), BioFlags.preflush);
    await expect(preflushed).rejects.toMatchObject({ code: "io" });
    expect(await readSectors(device, 8, 8)).toEqual(filled(8, 1));
    expect(array.seen.every((bio) => bio.op === "read")).toBe(true);
  });

  it("merges what it knows with the base's holes", async () => {
    const base = new MemoryDevice({ name: "base", sectors: 80 });
    await writeSectors(base, 16, filled(8, 1));
    const device = await openOverlay(env, base, { kind: "memory", limitBytes: 2 ** 20 });
    await writeSectors(device, 24, filled(8, 1));
    await writeZeroes(device, 16, 4);
    await writeZeroes(device, 64, 16);
    expect(device.extents(0, 80, 10)).toEqual([
      { sector: 0, sectors: 16, kind: "hole" },
      { sector: 16, sectors: 16, kind: "data" },
      { sector: 32, sectors: 48, kind: "hole" },
    ]);
    expect(device.extents(10, 20, 1)).toEqual([{ sector: 10, sectors: 6, kind: "hole" }]);
    await device.close();
  });

  it("takes as many files as the base needs", async () => {
    const folder = testFolder("overlay");
    const store = await openOverlayStore(env, { kind: "folder", folder }, 100, 40);
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size / 512);
    expect(sizes).toEqual([40, 40, 20]);
    await writeSectors(store, 30, filled(65, 6), BioFlags.fua);
    await flush(store);
    expect(await readSectors(store, 29, 67)).toEqual(
      Uint8Array.from({ length: 67 * 512 }, (_unused, i) => (i >= 512 && i < 66 * 512 ? 6 : 0)),
    );
    await store.close();
  });
});

describe("FaultyDevice", () => {
  it("fails where it was told to, until the sectors are written", async () => {
    const device = new FaultyDevice(new ArrayDevice(100));
    device.failReads(10, 10);
    await expect(readSectors(device, 0, 11)).rejects.toThrow("read failed at sector 10");
    await readSectors(device, 0, 10);
    await writeSectors(device, 12, filled(3, 1));
    await readSectors(device, 12, 3);
    await expect(readSectors(device, 11, 2)).rejects.toThrow("sector 11");
    await expect(readSectors(device, 14, 2)).rejects.toThrow("sector 15");
    device.failWrites(50, 1);
    await expect(writeSectors(device, 49, filled(2, 1))).rejects.toThrow("sector 50");
    device.heal();
    await readSectors(device, 0, 100);
  });

  it("vanishes with what it holds and comes back with its contents", async () => {
    const device = new FaultyDevice(new ArrayDevice(8));
    await writeSectors(device, 0, filled(1, 3));
    device.hold((bio) => bio.op === "write");
    const held = writeSectors(device, 1, filled(1, 3));
    const alsoHeld = writeSectors(device, 2, filled(1, 4));
    expect(device.held.length).toBe(2);
    device.releaseOne(1);
    await alsoHeld;
    device.vanish();
    await expect(held).rejects.toThrow("is gone");
    await expect(flush(device)).rejects.toThrow("is gone");
    device.comeBack();
    expect(await readSectors(device, 0, 3)).toEqual(
      Uint8Array.from([...filled(1, 3), ...filled(1, 0), ...filled(1, 4)]),
    );
  });
});
