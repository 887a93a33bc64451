/**
 * Tests that need an outside program (mdadm, qemu-img, the kernel, ...).
 *
 * Where a program is missing the test is skipped, and its name says which one and which Debian package has it; in CI
 * (`CI=true`) it fails instead, so that a run can never be green by leaving things out. The programs are those of
 * scripts/peers.mjs, which `npm test` installs when it may.
 */
import type { TestFunction } from "vitest";
import { describe, it } from "vitest";
import { findProgram, packageOf } from "../../scripts/peers.mjs";

const IN_CI = process.env["CI"] === "true";

/** Whether the program is there. Throws when scripts/peers.mjs does not list it. */
export function hasPeer(program: string): boolean {
  packageOf(program);
  return findProgram(program) !== undefined;
}

/** `it`, when all programs are there. */
export function peerTest(
  programs: readonly string[],
  name: string,
  fn: TestFunction,
  timeoutMs?: number,
): void {
  const plan = planFor(programs, hasPeer, IN_CI);
  if (plan.kind === "run") it(name, fn, timeoutMs);
  else if (plan.kind === "fail") failFor(name, plan.why);
  else it.skip(`${name} (${plan.why})`, fn, timeoutMs);
}

/** `describe`, when all programs are there. The body only declares tests, so it is run for skipped ones too, to count them. */
export function peerDescribe(programs: readonly string[], name: string, fn: () => void): void {
  const plan = planFor(programs, hasPeer, IN_CI);
  if (plan.kind === "run") describe(name, fn);
  else if (plan.kind === "fail") describe(name, () => failFor("runs", plan.why));
  else describe.skip(`${name} (${plan.why})`, fn);
}

/** `describe`, unless there is a reason against it, which is part of a sentence: then skipped by name, and failing in CI. */
export function describeUnless(why: string | null, name: string, fn: () => void): void {
  if (why === null) describe(name, fn);
  else if (IN_CI) describe(name, () => failFor("runs", `cannot run: ${why}`));
  else describe.skip(`${name} (${why})`, fn);
}

export type Plan =
  | { readonly kind: "run" }
  | { readonly kind: "skip" | "fail"; readonly why: string };

/** What becomes of a test that needs these programs; `why` is like "needs fio: Debian package fio". */
export function planFor(
  programs: readonly string[],
  isThere: (program: string) => boolean,
  inCi: boolean,
): Plan {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return { kind: "run" };
  const packages = [...new Set(missing.map(packageOf))];
  const why = `needs ${missing.join(", ")}: Debian package ${packages.join(", ")}`;
  return { kind: inCi ? "fail" : "skip", why };
}

function failFor(name: string, why: string): void {
  it(name, () => {
    throw new Error(`In CI nothing may be skipped, but this test ${why}.`);
  });
}
