/** Suspend, resume and swap, with targets that hold what they are given. Taking away waits for what is in flight. */
import { describe, expect, test } from "vitest";
import { settled } from "../../test/support/crash-disks.ts";
import { HoldfastError } from "../base/errors.ts";
import { BioFlags, flushBio, writeBio } from "../block/bio.ts";
import type { Bio } from "../block/bio.ts";
import { checked } from "../block/checked.ts";
import { WRITABLE_LIMITS } from "../block/device.ts";
import type { BlockDevice, Extent } from "../block/device.ts";
import { LiveTable } from "./live-table.ts";
import { MappedDevice } from "./mapped-device.ts";
import { GIVEN_BACK } from "./target.ts";
import type { SuspendKind, Target, TargetType } from "./target.ts";

/** Holds bios; what is done to it is noted in `story`, which tables can share. */
class Holding implements Target {
  readonly limits = WRITABLE_LIMITS;
  readonly splitSectors = 0;
  readonly devices = [];
  readonly held: Bio[] = [];
  readonly name: string;
  readonly story: string[];
  preresumeError: HoldfastError | null = null;
  postsuspendError: HoldfastError | null = null;

  constructor(name: string, story: string[]) {
    this.name = name;
    this.story = story;
  }

  #note(what: string): void {
    this.story.push(`${this.name}: ${what}`);
  }

  submit(bio: Bio): void {
    this.#note(`${bio.op}${(bio.flags & BioFlags.fua) === 0 ? "" : " fua"}`);
    this.held.push(bio);
  }

  /** Ends all that is held. */
  end(error: HoldfastError | null = null): void {
    for (const bio of this.held.splice(0)) bio.end(error);
  }

  presuspend(kind: SuspendKind): void {
    this.#note(`presuspend ${kind}`);
    if (kind === "noflush") this.end(GIVEN_BACK);
  }

  postsuspend(): Promise<void> {
    this.#note("postsuspend");
    return this.postsuspendError === null
      ? Promise.resolve()
      : Promise.reject(this.postsuspendError);
  }

  preresume(): Promise<void> {
    this.#note("preresume");
    return this.preresumeError === null ? Promise.resolve() : Promise.reject(this.preresumeError);
  }

  resume(): void {
    this.#note("resume");
  }

  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  status(): string {
    return "";
  }

  table(): string {
    return "";
  }

  close(): Promise<void> {
    this.#note("close");
    return Promise.resolve();
  }
}

function table(...targets: Holding[]): LiveTable {
  return new LiveTable(
    targets.map((target, index) => {
      const type = { name: "holding", version: [1, 0, 0], isSingleton: false } as const;
      const made: TargetType = { ...type, construct: () => Promise.resolve(target) };
      return { start: index * 8, sectors: 8, type: made, target };
    }),
    [],
    false,
  );
}

interface World {
  readonly device: MappedDevice;
  readonly use: BlockDevice;
  readonly story: string[];
  readonly target: Holding;
}

async function running(sync?: () => Promise<void>): Promise<World> {
  const story: string[] = [];
  const target = new Holding("a", story);
  const device = new MappedDevice("v", "", 0);
  await device.load(table(target));
  await device.resume();
  story.length = 0;
  const options = sync === undefined ? {} : { sync };
  return { device, use: checked(device.open({ readOnly: false, ...options })), story, target };
}

function write(use: BlockDevice, story: string[], flags = 0, what = "written"): void {
  const end = (error: HoldfastError | null): void => {
    story.push(error === null ? what : `${what}: ${error.code}`);
  };
  use.submit(writeBio(0, new Uint8Array(512), flags, end));
}

describe("a suspend", () => {
  test("asks who is above to write down what they keep, then waits for what is in flight", async () => {
    const order: string[] = [];
    const { device, use, story, target } = await running(() => {
      order.push("synced");
      return Promise.resolve();
    });
    write(use, story);
    const suspended = device.suspend("flush").then(() => story.push("suspended"));
    await settled();
    write(use, story, 0, "later");
    expect(order).toEqual(["synced"]);
    expect(story).toEqual(["a: write", "a: presuspend flush"]);
    target.end();
    await suspended;
    expect(story.slice(2)).toEqual(["written", "a: postsuspend", "suspended"]);
    await device.resume();
    expect(story.slice(5)).toEqual(["a: preresume", "a: resume", "a: write"]);
    target.end();
    expect(story.at(-1)).toBe("later");
  });

  test("without lockfs or flush asks nobody", async () => {
    const { device } = await running(() => Promise.reject(new Error("asked")));
    await expect(device.suspend("flush", true)).rejects.toThrow("asked");
    expect(device.isSuspended).toBe(false);
    await device.suspend("flush", false);
    await device.resume();
    await device.suspend("noflush", true);
    expect(device.isSuspended).toBe(true);
  });

  test("without flush has bios given back untouched; they come again, to whatever is live then", async () => {
    const { device, use, story } = await running();
    write(use, story);
    await device.suspend("noflush");
    expect(story).toEqual(["a: write", "a: presuspend noflush", "a: postsuspend"]);
    const next = new Holding("b", story);
    await device.load(table(next));
    await device.resume();
    expect(story.slice(3)).toEqual(["a: close", "b: preresume", "b: resume", "b: write"]);
    next.end();
    expect(story.at(-1)).toBe("written");
  });

  test("of a device that is suspended changes nothing", async () => {
    const { device, story } = await running();
    await device.suspend("flush");
    await device.suspend("noflush");
    expect(story).toEqual(["a: presuspend flush", "a: postsuspend"]);
  });

  test("gives every target its turn when one cannot make its metadata durable", async () => {
    const { device, story, target } = await running();
    const other = new Holding("b", story);
    await device.load(table(target, other));
    await device.resume();
    story.length = 0;
    target.postsuspendError = new HoldfastError("io", "no metadata");
    await expect(device.suspend("flush")).rejects.toThrow("no metadata");
    expect(story.slice(2)).toEqual(["a: postsuspend", "b: postsuspend"]);
    expect(device.isSuspended).toBe(true);
  });
});

describe("a resume", () => {
  test("swaps with I/O in flight: it ends before the old table goes, and what comes meanwhile goes to the new one", async () => {
    const { device, use, story, target } = await running();
    write(use, story, 0, "old");
    const next = new Holding("b", story);
    await device.load(table(next, new Holding("c", story)));
    const resumed = device.resume();
    await settled();
    write(use, story, 0, "new");
    expect(story).toEqual(["a: write", "a: presuspend flush"]);
    target.end();
    await resumed;
    expect(story.filter((line) => /close|old|b:/.test(line))).toEqual([
      "old",
      "a: close",
      "b: preresume",
      "b: resume",
      "b: write",
    ]);
    expect(use.sectors).toBe(16);
    next.end();
    expect(story.at(-1)).toBe("new");
  });

  test("that a target refuses leaves it suspended, with its bios, until another goes well", async () => {
    const { device, use, story, target } = await running();
    await device.suspend("flush");
    write(use, story);
    target.preresumeError = new HoldfastError("bad-metadata", "torn");
    await expect(device.resume()).rejects.toThrow("torn");
    expect(device.isSuspended).toBe(true);
    expect(story).not.toContain("a: resume");
    target.preresumeError = null;
    await device.resume();
    target.end();
    expect(story.slice(-3)).toEqual(["a: resume", "a: write", "written"]);
  });

  test("without a table says so, and with nothing to do does nothing", async () => {
    await expect(new MappedDevice("v", "", 0).resume()).rejects.toThrow("v has no table");
    const { device, story } = await running();
    await device.resume();
    expect(story).toEqual([]);
  });
});

describe("a preflush", () => {
  test("is over in all targets before the write begins, which keeps its FUA", async () => {
    const { device, use, story, target } = await running();
    const other = new Holding("b", story);
    await device.load(table(target, other));
    await device.resume();
    story.length = 0;
    write(use, story, BioFlags.preflush | BioFlags.fua);
    target.end();
    expect(story).toEqual(["a: flush", "b: flush"]);
    other.end();
    expect(story.at(-1)).toBe("a: write fua");
    target.end();
    expect(story.at(-1)).toBe("written");
  });

  test("that fails ends the write", async () => {
    const { use, story, target } = await running();
    write(use, story, BioFlags.preflush);
    target.end(new HoldfastError("io", "no flush"));
    expect(story).toEqual(["a: flush", "written: io"]);
  });
});

describe("a use", () => {
  test("is closed when its bios have ended, those that are held too", async () => {
    const { device, use, story, target } = await running();
    await device.suspend("flush");
    write(use, story);
    const closed = use.close().then(() => story.push("closed"));
    await settled();
    expect(device.openCount).toBe(1);
    await device.resume();
    target.end();
    await closed;
    expect(story.slice(-2)).toEqual(["written", "closed"]);
    expect(device.openCount).toBe(0);
  });

  test("of a device without a table fails, but for a flush", () => {
    const use = new MappedDevice("v", "", 0).open({ readOnly: true });
    const ends: (string | null)[] = [];
    use.submit(flushBio((error) => ends.push(error?.code ?? null)));
    expect(use.sectors).toBe(0);
    expect(ends).toEqual([null]);
  });

  test("for reading only refuses writes", async () => {
    const { device, story } = await running();
    const use = checked(device.open({ readOnly: true }));
    expect(use.limits.readOnly).toBe(true);
    write(use, story);
    expect(story).toEqual(["written: read-only"]);
  });
});

describe("a removal", () => {
  test("fails bios that are held or come back, and closes both tables", async () => {
    const { device, use, story } = await running();
    const inactive = new Holding("b", story);
    await device.load(table(inactive));
    write(use, story);
    const waiting = device.waitForEvent(device.eventNr);
    device.beginRemoval();
    await device.close();
    await waiting;
    expect(story.filter((line) => !line.includes("suspend"))).toEqual([
      "a: write",
      "written: io",
      "a: close",
      "b: close",
    ]);
    expect(() => device.open({ readOnly: true })).toThrow("is being removed");
  });

  test("fails what waits for a resume, and what comes yet", async () => {
    const { device, use, story } = await running();
    await device.suspend("flush");
    write(use, story, 0, "early");
    device.beginRemoval();
    write(use, story, 0, "late");
    expect(story.slice(-2)).toEqual(["early: io", "late: io"]);
    await use.close();
  });

  test("closes everything although metadata cannot be written", async () => {
    const { device, story, target } = await running();
    target.postsuspendError = new HoldfastError("io", "no metadata");
    device.beginRemoval();
    await expect(device.close()).rejects.toThrow("no metadata");
    expect(story).toContain("a: close");
  });
});

test("an inactive table is closed when another takes its place, or it is cleared", async () => {
  const { device, story } = await running();
  await device.load(table(new Holding("b", story)));
  await device.load(table(new Holding("c", story)));
  await device.clear();
  expect(story).toEqual(["b: close", "c: close"]);
  expect(device.inactive).toBeNull();
});
