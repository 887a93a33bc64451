import { describe, expect, it } from "vitest";
import { PEERS } from "../../scripts/peers.mjs";
import { hasPeer, planFor } from "./peers.ts";

const all = (): boolean => true;
const butMdadmAndFio = (program: string): boolean => program !== "mdadm" && program !== "fio";

describe("planFor", () => {
  it("runs a test whose programs are there, in CI too", () => {
    expect(planFor(["mdadm", "fio"], all, false)).toEqual({ kind: "run" });
    expect(planFor(["openssl"], butMdadmAndFio, true)).toEqual({ kind: "run" });
  });

  it("skips one whose programs are missing, and says which and whence", () => {
    expect(planFor(["mdadm", "openssl", "fio"], butMdadmAndFio, false)).toEqual({
      kind: "skip",
      why: "needs mdadm, fio: Debian package mdadm, fio",
    });
  });

  it("fails it in CI", () => {
    expect(planFor(["mdadm"], butMdadmAndFio, true)).toMatchObject({ kind: "fail" });
  });
});

describe("the table of peers", () => {
  it("names every package and every program once", () => {
    const packages = PEERS.map((peer) => peer.package);
    const programs = PEERS.flatMap((peer) => peer.programs);
    expect(new Set(packages).size).toBe(packages.length);
    expect(new Set(programs).size).toBe(programs.length);
  });

  it("refuses a program it does not know, which nothing would install", () => {
    expect(() => hasPeer("no-such-program")).toThrow("scripts/peers.mjs");
  });
});
