/** The machine of these scenarios. */
import { expect, it } from "vitest";
import { Machine } from "./machine.ts";
import { Pattern } from "./pattern.ts";

it("has mapped devices under their names, disks that fail, and knows content again", async () => {
  const m = new Machine({ a: 1024, b: 1024 });
  await m.create("v", "0 512 linear /disks/a 8");
  await m.fill("v", 7, 5, 3);
  expect(await m.runs("v", 0, 16)).toBe("5x0 3x7 8x0");
  expect(await m.runs("a", 8, 16)).toBe("5x0 3x7 8x0");
  expect(await m.table("v")).toBe("/disks/a 8");
  const close = m.hold("v");
  expect(await m.refused("remove v")).toContain("Device or resource busy");
  close();
  m.disk("a").failReads(10, 1);
  await expect(m.read("v", 0, 8)).rejects.toMatchObject({ code: "io" });
  await m.reload("v", "0 512 linear /disks/b 0");
  await m.ok("rename v w");
  const pattern = Pattern.zeros(m, "w", 64);
  await pattern.stamp(50);
  await pattern.verify();
  await m.write("w", 64, new Uint8Array(512).fill(1));
  await expect(pattern.verify()).rejects.toThrow("wrong");
  await m.remove("w");
  expect(() => m.volume("w")).toThrow("there is no /dev/mapper/w");
});
