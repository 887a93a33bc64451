import { expect, it } from "vitest";
import { SyncScheduler } from "./scheduler.ts";
import type { SyncClaim } from "./scheduler.ts";

interface TestClaim extends SyncClaim {
  isParallel: boolean;
  grants: number;
}

function claimOf(disks: string, granted: () => void = () => {}): TestClaim {
  const claim: TestClaim = {
    disks: new Set(disks),
    isParallel: false,
    grants: 0,
    granted: () => {
      claim.grants += 1;
      granted();
    },
  };
  return claim;
}

it("those that share a disk run one after the other, in the order in which they came", () => {
  const scheduler = new SyncScheduler();
  const [ab, bc, cd, xy] = [claimOf("ab"), claimOf("bc"), claimOf("cd"), claimOf("xy")];
  for (const claim of [ab, bc, cd, xy]) scheduler.enter(claim);
  // Nobody has c or d, but somebody came earlier for c.
  expect([ab, bc, cd, xy].map(({ grants }) => grants)).toEqual([1, 0, 0, 1]);
  scheduler.leave(ab);
  expect([bc, cd].map(({ grants }) => grants)).toEqual([1, 0]);
  scheduler.leave(bc);
  scheduler.leave(cd);
  expect([ab, bc, cd, xy].map(({ grants }) => grants)).toEqual([1, 1, 1, 1]);
});

it("who gives up waiting lets those behind it go", () => {
  const scheduler = new SyncScheduler();
  const [ab, bc, cd] = [claimOf("ab"), claimOf("bc"), claimOf("cd")];
  for (const claim of [ab, bc, cd]) scheduler.enter(claim);
  scheduler.leave(bc);
  expect([bc, cd].map(({ grants }) => grants)).toEqual([0, 1]);
});

it("who is to run in parallel waits for nobody", () => {
  const scheduler = new SyncScheduler();
  const [first, second] = [claimOf("a"), claimOf("a")];
  scheduler.enter(first);
  scheduler.enter(second);
  expect(second.grants).toBe(0);
  second.isParallel = true;
  scheduler.look();
  expect(second.grants).toBe(1);
});

it("who is granted may leave at once", () => {
  const scheduler = new SyncScheduler();
  const brief: TestClaim = claimOf("a", () => scheduler.leave(brief));
  const [first, last] = [claimOf("a"), claimOf("a")];
  for (const claim of [first, brief, last]) scheduler.enter(claim);
  scheduler.leave(first);
  expect([first, brief, last].map(({ grants }) => grants)).toEqual([1, 1, 1]);
});
