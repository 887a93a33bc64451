import { expect, it } from "vitest";
import { startOrder } from "./start-order.ts";

function named(name: string, ...standsOn: readonly string[]) {
  return { names: [name], standsOn };
}

it("starts what others stand on first, and the rest as it comes", () => {
  const all = [
    named("/dev/mapper/top", "/dev/md0"),
    named("/dev/mapper/other", "/disks/c"),
    named("/dev/md0", "/dev/mapper/a:p1", "/dev/mapper/b"),
    named("/dev/mapper/a", "/disks/a"),
    named("/dev/mapper/b", "/disks/b"),
  ];
  expect(startOrder(all).map(({ names }) => names[0])).toEqual([
    "/dev/mapper/other",
    "/dev/mapper/a",
    "/dev/mapper/b",
    "/dev/md0",
    "/dev/mapper/top",
  ]);
});

it("ends where things stand on each other", () => {
  const all = [named("/a", "/b"), named("/b", "/a"), named("/c")];
  expect(startOrder(all).map(({ names }) => names[0])).toEqual(["/c", "/a", "/b"]);
});
