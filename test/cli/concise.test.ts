/** Verbs that open mapped devices for one command: --concise in place of paths. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runInProcess } from "../support/cli.ts";
import { loadedServices } from "../../src/cli/loaded-services.ts";
import { goldenCase, unpackImage } from "../support/golden.ts";
import { testFolder } from "../support/temp.ts";

function images(): { readonly a: string; readonly b: string; readonly folder: string } {
  const folder = testFolder("concise");
  const [a, b] = ["a", "b"].map((name, at) => {
    const path = join(folder, `${name}.img`);
    writeFileSync(path, Buffer.alloc(65_536, at + 1));
    return path;
  });
  return { a: a!, b: b!, folder };
}

const SERVICES = { open: loadedServices.open, arena: loadedServices.arena };

describe("--concise", () => {
  it("sums and copies out what a table makes of files", async () => {
    const { a, b, folder } = images();
    const concise = `both,,,,0 128 linear ${a} 0,128 128 linear ${b} 0;part,,,,0 8 linear both 124`;
    const whole = Buffer.concat([readFileSync(a), readFileSync(b)]);
    const sums = [whole, whole.subarray(124 * 512, 132 * 512)].map((bytes) =>
      createHash("sha256").update(bytes).digest("hex"),
    );
    const summed = await runInProcess(["sum", "--concise", concise], { services: SERVICES });
    expect([summed.code, summed.stdout]).toEqual([0, `${sums[0]}  both\n${sums[1]}  part\n`]);
    const out = join(folder, "out.img");
    const words = ["dump", "--concise", concise, "--volume", "part", "-o", out];
    expect((await runInProcess(words, { services: SERVICES })).code).toBe(0);
    expect(readFileSync(out).equals(whole.subarray(124 * 512, 132 * 512))).toBe(true);
  });

  it.each([
    [["sum"], "missing required argument 'PATH'"],
    [["dump", "-o", "out"], "missing required argument 'PATH'"],
    [["open"], "missing required argument 'PATH'"],
    [["sum", "x.img", "--concise", "v,,,,0 8 zero"], "--concise names its devices itself"],
    [["open", "x.img", "--concise", "v,,,,0 8 zero"], "--concise names its devices itself"],
  ])("%j is called wrongly", async (words, message) => {
    const { code, stderr } = await runInProcess(words, { services: SERVICES });
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it("finds what has changed on a disk, by its tags", async () => {
    const golden = goldenCase("dm-integrity-crc32c");
    const { sha256, bytes } = golden.views[0]!.volumes["volume"]!;
    const path = join(testFolder("integrity"), "d0.img");
    const image = unpackImage(golden, 0);
    writeFileSync(path, image);
    const table = `v,,,ro,0 ${bytes / 512} integrity ${path} 0 - J 1 internal_hash:crc32c`;
    const words = ["sum", "--concise", table];
    const good = await runInProcess(words, { services: SERVICES });
    expect([good.code, good.stdout]).toEqual([0, `${sha256}  v\n`]);
    // Superblock, journal and tags are in front of it.
    image[(8 + 176 + 256 + 7) * 512]! ^= 1;
    writeFileSync(path, image);
    const { code, stderr } = await runInProcess(words, { services: SERVICES });
    expect([code, stderr]).toEqual([1, expect.stringContaining("512 bytes at byte 3584")]);
  });

  it("says which word of a table is wrong", async () => {
    const words = ["sum", "--concise", "v,,,,0 8 zero 7"];
    const { code, stderr } = await runInProcess(words, { services: SERVICES });
    expect([code, stderr]).toEqual([
      2,
      'holdfast: v: zero: word 1 ("7") is wrong: nothing more was expected.\n',
    ]);
  });
});
