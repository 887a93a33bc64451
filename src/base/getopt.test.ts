import { describe, expect, it } from "vitest";
import { peerTest } from "../../test/support/peers.ts";
import { askMdadm } from "../../test/support/mdadm.ts";
import { Getopt } from "./getopt.ts";
import type { GetoptStep } from "./getopt.ts";
import { shortOptions } from "../mdadm/modes.ts";
import { LONG_OPTIONS } from "../mdadm/options.ts";

function steps(words: readonly string[], short = shortOptions(null)): GetoptStep[] {
  const getopt = new Getopt(words, LONG_OPTIONS);
  const seen: GetoptStep[] = [];
  for (;;) {
    const step = getopt.next(short);
    if (step.kind === "end") return seen;
    seen.push(step);
    if (step.kind === "error") return seen;
  }
}

function spelled(words: readonly string[], short?: string): string[] {
  return steps(words, short).map((step) => {
    switch (step.kind) {
      case "short":
        return `-${step.letter}${step.value === null ? "" : `=${step.value}`}`;
      case "long":
        return `--${step.option.name}${step.value === null ? "" : `=${step.value}`}`;
      case "word":
        return step.word;
      case "error":
        return `! ${step.message}`;
      case "end":
        return "";
    }
  });
}

/** Since 4.2, so not in Debian's mdadm. */
const NEWER = new Set(["write-zeroes", "logical-block-size"]);

describe("getopt", () => {
  it("takes clusters apart, and gives the rest of one to a letter with an argument", () => {
    expect(spelled(["-CfR", "-l5n3", "-c", "64", "x"])).toEqual([
      "-C",
      "-f",
      "-R",
      "-l=5n3",
      "-c=64",
      "x",
    ]);
    expect(spelled(["-Gb", "internal"], shortOptions("grow"))).toEqual(["-G", "-b=internal"]);
    expect(spelled(["-binternal"], shortOptions("create"))).toEqual(["-b=internal"]);
    expect(spelled(["-b", "internal"])).toEqual(["-b", "internal"]);
  });

  it("takes the next word as an argument even when it looks like an option, and keeps the order", () => {
    expect(spelled(["a", "-n", "-3", "b", "--size=", "-"])).toEqual([
      "a",
      "-n=-3",
      "b",
      "--size=",
      "-",
    ]);
  });

  it("takes prefixes that can only be one option, and names that mean the same for one", () => {
    expect(spelled(["--zero", "--chun=4", "--backup", "f", "--raid=3", "--daemoni"])).toEqual([
      "--zero-superblock",
      "--chunk=4",
      "--backup-file=f",
      "--raid-disks=3",
      "--daemonise",
    ]);
    expect(spelled(["--add", "--run"])).toEqual(["--add", "--run"]);
    expect(spelled(["--bi=x"])).toEqual([
      "! option '--bi' is ambiguous; possibilities: '--bitmap' '--bitmap-chunk'",
    ]);
  });

  it("takes an optional argument only when it is attached", () => {
    expect(spelled(["--write-behind", "5"])).toEqual(["--write-behind", "5"]);
    expect(spelled(["--write-behind=5"])).toEqual(["--write-behind=5"]);
  });

  it("stops at --, words included", () => {
    expect(spelled(["-D", "a", "--", "-S", "b"])).toEqual(["-D", "a"]);
  });

  it.each([
    [["--nope"], "unrecognized option '--nope'"],
    [["--create=1"], "option '--create' doesn't allow an argument"],
    [["-n"], "option requires an argument -- 'n'"],
    [["--chunk"], "option '--chunk' requires an argument"],
    [["-J"], "invalid option -- 'J'"],
    [["-:"], "invalid option -- ':'"],
  ])("refuses %j", (words, message) => {
    expect(steps(words).at(-1)).toEqual({ kind: "error", message });
  });

  peerTest(["mdadm"], "says what mdadm says about every option's argument", () => {
    for (const { name, argument } of LONG_OPTIONS) {
      if (NEWER.has(name)) continue;
      const without = argument === "none" ? `--${name}=1` : `--${name}`;
      if (argument === "optional") continue;
      expect(askMdadm([without]).lines[0]).toBe(`mdadm: ${spelled([without])[0]!.slice(2)}`);
    }
  });

  peerTest(["mdadm"], "finds the prefixes ambiguous that mdadm does", () => {
    const prefixes = new Set(
      LONG_OPTIONS.flatMap(({ name }) => [1, 2, 3, 5].map((length) => name.slice(0, length))),
    );
    for (const prefix of prefixes) {
      const ours = spelled([`--${prefix}`])[0]!;
      const isNewer = [...NEWER].some((name) => ours.includes(name) || name.startsWith(prefix));
      if (!ours.includes("ambiguous") || isNewer) continue;
      // It lists --alert beside --program or not, by the C library's version.
      const theirs = askMdadm([`--${prefix}`]).lines[0]!;
      expect(theirs.replace(" '--alert'", "")).toBe(
        `mdadm: ${ours.slice(2)}`.replace(" '--alert'", ""),
      );
    }
  });
});
