import { describe, expect, it } from "vitest";
import { Eras } from "./eras.ts";

describe("eras", () => {
  it("drain when all that began before has ended, whatever began since", async () => {
    const eras = new Eras();
    const told: string[] = [];
    await eras.drain();
    const first = eras.begin();
    const drained = eras.drain().then(() => told.push("first"));
    const second = eras.begin();
    const both = eras.drain().then(() => told.push("both"));
    const third = eras.begin();
    eras.end(second);
    await Promise.resolve();
    expect(told).toEqual([]);
    eras.end(first);
    await Promise.all([drained, both]);
    expect(told).toEqual(["first", "both"]);
    eras.end(third);
    await eras.drain();
  });

  it("drain when what goes on for something older has ended", async () => {
    const eras = new Eras();
    const told: string[] = [];
    const first = eras.begin();
    const drained = eras.drain().then(() => told.push("first"));
    const kept = eras.beginOldest();
    eras.end(first);
    await Promise.resolve();
    expect(told).toEqual([]);
    eras.end(kept);
    await drained;
  });
});
