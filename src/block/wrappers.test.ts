import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../test/support/array-device.ts";
import { HoldfastError } from "../base/errors.ts";
import { Bio, BioFlags, discardBio, flushBio, readBio, writeBio, writeZeroesBio } from "./bio.ts";
import { aim, ownBio } from "./bio.ts";
import { checked } from "./checked.ts";
import type { Extent } from "./device.ts";
import { ExtentList } from "./extents.ts";
import { InFlight } from "./in-flight.ts";
import { readOnly } from "./read-only.ts";
import { refusal } from "./refuse.ts";
import { counted } from "./stats.ts";

const NONE = new Uint8Array(0);
const sector = (count = 1) => new Uint8Array(count * 512);

function ignore(): void {}

describe("checked", () => {
  it.each<[string, Bio]>([
    ["outside", readBio(4, sector(), ignore)],
    ["half a sector", readBio(0.5, sector(), ignore)],
    ["negative", readBio(-1, sector(), ignore)],
    ["no data", new Bio("write", 0, 1, NONE, 0, ignore)],
    ["data where none belongs", new Bio("discard", 0, 1, sector(), 0, ignore)],
    ["an empty read", new Bio("read", 0, 0, NONE, 0, ignore)],
    ["a flush with a length", new Bio("flush", 0, 1, NONE, 0, ignore)],
    ["FUA on a read", new Bio("read", 0, 1, sector(), BioFlags.fua, ignore)],
    ["noUnmap on a write", writeBio(0, sector(), BioFlags.noUnmap, ignore)],
  ])("catches a submitter that sends a bio with a fault: %s", (_name, bio) => {
    expect(() => checked(new ArrayDevice(4)).submit(bio)).toThrow("assertion failed");
  });

  it("lets through what is right", () => {
    const errors: unknown[] = [];
    const device = checked(new ArrayDevice(4));
    const end = (error: unknown) => errors.push(error);
    device.submit(readBio(3, sector(), end));
    device.submit(writeBio(0, sector(4), BioFlags.fua | BioFlags.preflush, end));
    device.submit(writeZeroesBio(0, 1, BioFlags.noUnmap, end));
    device.submit(discardBio(0, 4, end));
    device.submit(flushBio(end));
    expect(errors).toEqual([null, null, null, null, null]);
    expect(device.extents(1, 2, 1)).toEqual([{ sector: 1, sectors: 2, kind: "data" }]);
  });

  it("catches a device that ends twice or closes too early", async () => {
    const inner = new ArrayDevice(4);
    inner.held = true;
    const device = checked(inner);
    device.submit(readBio(0, sector(), ignore));
    const [bio] = inner.pending;
    await expect(device.close()).rejects.toThrow("waits for 1 bios");
    bio!.end(null);
    expect(() => bio!.end(null)).toThrow("once");
    expect(() => device.submit(flushBio(ignore))).toThrow("after close");
  });

  it("catches a submitter that uses a bio again before it has ended", () => {
    const inner = new ArrayDevice(4);
    inner.held = true;
    const device = checked(inner);
    const bio = ownBio(ignore);
    device.submit(aim(bio, "read", 0, 1, sector(), 0));
    aim(bio, "read", 1, 1, bio.data, 0);
    expect(() => inner.finish()).toThrow("left alone until it ends");
  });

  it("lets a bio be used again from its end on, from within it too", () => {
    const device = checked(new ArrayDevice(4));
    let left = 3;
    const bio = ownBio((error) => {
      expect(error).toBeNull();
      left -= 1;
      if (left > 0) device.submit(aim(bio, "read", left, 1, bio.data, 0));
    });
    device.submit(aim(bio, "read", 0, 1, sector(), 0));
    expect(left).toBe(0);
  });

  it("catches a device that looks at a bio which it has ended", () => {
    const inner = new ArrayDevice(4);
    const device = checked(inner);
    inner.submit = (bio) => {
      bio.end(null);
      expect(bio.sectors).toBe(1);
    };
    expect(() => device.submit(readBio(0, sector(), ignore))).toThrow(
      "does not look at a read that it has ended",
    );
  });

  it("catches a device that says yes to what its limits forbid", () => {
    const inner = new ArrayDevice(4, { readOnly: true, discard: false });
    const device = checked(inner);
    inner.held = true;
    device.submit(writeBio(0, sector(), 0, ignore));
    expect(() => inner.pending[0]!.end(null)).toThrow("limits forbid");
  });

  it.each<[string, Extent[]]>([
    ["none", []],
    ["a gap", [{ sector: 1, sectors: 1, kind: "data" }]],
    ["too much", [{ sector: 0, sectors: 5, kind: "data" }]],
    [
      "equal neighbours",
      [
        { sector: 0, sectors: 2, kind: "hole" },
        { sector: 2, sectors: 2, kind: "hole" },
      ],
    ],
  ])("catches extents with a fault: %s", (_name, runs) => {
    const inner = new ArrayDevice(8);
    inner.extents = () => runs;
    expect(() => checked(inner).extents(0, 4, 8)).toThrow("assertion failed");
  });
});

describe("counted", () => {
  it("counts what ended, its bytes and its errors", () => {
    const inner = new ArrayDevice(4);
    const device = counted(inner);
    device.submit(readBio(0, sector(3), ignore));
    inner.fault = () => new HoldfastError("io", "broken");
    device.submit(readBio(0, sector(), ignore));
    inner.fault = () => null;
    inner.held = true;
    device.submit(flushBio(ignore));
    expect(device.stats.ops.read).toEqual({ count: 2, bytes: 1536, errors: 1 });
    expect(device.stats.ops.flush.count).toBe(0);
    expect(device.stats.inFlight).toBe(1);
    inner.finish();
    expect(device.stats.ops.flush.count).toBe(1);
    expect(device.stats.inFlight).toBe(0);
  });
});

describe("readOnly", () => {
  it("lets nothing through that writes, not even a flush", () => {
    const inner = new ArrayDevice(4);
    const device = readOnly(inner);
    const codes: unknown[] = [];
    const end = (error: HoldfastError | null) => codes.push(error?.code ?? null);
    device.submit(writeBio(0, sector(), 0, end));
    device.submit(discardBio(0, 1, end));
    device.submit(writeZeroesBio(0, 1, 0, end));
    device.submit(flushBio(end));
    device.submit(readBio(0, sector(), end));
    expect(codes).toEqual(["read-only", "read-only", "read-only", null, null]);
    expect(inner.seen.map((bio) => bio.op)).toEqual(["read"]);
    expect(readOnly(device)).toBe(device);
  });
});

describe("refusal", () => {
  it("refuses what lies outside and what the limits lack", () => {
    const device = new ArrayDevice(4, { discard: false, writeZeroes: false });
    const code = (bio: Bio) => refusal(device, bio)?.code ?? null;
    expect(code(readBio(3, sector(2), ignore))).toBe("usage");
    expect(code(readBio(NaN, sector(), ignore))).toBe("usage");
    expect(code(readBio(3, sector(), ignore))).toBeNull();
    expect(code(discardBio(0, 1, ignore))).toBe("unsupported");
    expect(code(writeZeroesBio(0, 1, 0, ignore))).toBe("unsupported");
  });
});

describe("InFlight", () => {
  it("drains when the last one ends and lets nothing begin after", async () => {
    const inFlight = new InFlight();
    inFlight.begin();
    inFlight.begin();
    let drained = false;
    const drain = inFlight.drain().then(() => {
      drained = true;
    });
    inFlight.end();
    await Promise.resolve();
    expect(drained).toBe(false);
    inFlight.end();
    await drain;
    expect(() => inFlight.begin()).toThrow("closed device");
    expect(() => inFlight.end()).toThrow("begun");
  });
});

describe("ExtentList", () => {
  it("merges neighbours, skips empty runs and stops at its limit", () => {
    const list = new ExtentList(10, 2);
    expect(list.add(0, "hole")).toBe(true);
    list.add(1, "data");
    list.add(2, "data");
    list.add(3, "hole");
    expect(list.add(1, "hole")).toBe(true);
    expect(list.add(1, "data")).toBe(false);
    expect(list.add(1, "hole")).toBe(false);
    expect(list.end).toBe(17);
    expect(list.extents).toEqual([
      { sector: 10, sectors: 3, kind: "data" },
      { sector: 13, sectors: 4, kind: "hole" },
    ]);
  });
});
