/** Mapped devices for one command, on files. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readSectors, writeSectors } from "../block/promises.ts";
import { nodeEnv } from "../env/node/env.ts";
import { testFolder } from "../../test/support/temp.ts";
import { plainEngine } from "../parity/engine.ts";
import { openMappedVolumes } from "./mapped.ts";
import { openVolumes } from "./open.ts";

const SECTORS = 64;

function files(): { readonly a: string; readonly b: string } {
  const folder = testFolder("mapped");
  const made = ["a", "b"].map((name, at) => {
    const path = join(folder, `${name}.img`);
    writeFileSync(path, Buffer.alloc(SECTORS * 512, at + 1));
    return path;
  });
  return { a: made[0]!, b: made[1]! };
}

it("opens them read-only: nothing is written, whatever their flags say", async () => {
  const { a, b } = files();
  const concise = `both,,,rw,0 64 linear ${a} 0,64 32 linear ${b} 32;part,,,,0 8 linear both 60`;
  const opened = await openVolumes(nodeEnv(), { paths: [], concise, force: false });
  const [both, part] = opened.volumes;
  expect(both!.report).toMatchObject({ kind: "dm", level: "linear", raidDisks: 2 });
  expect(both!.device.sectors).toBe(96);
  expect(both!.device.limits.readOnly).toBe(true);
  const bytes = await readSectors(part!.device, 0, 8);
  expect([bytes[0], bytes[4 * 512]]).toEqual([1, 2]);
  const write = writeSectors(both!.device, 0, new Uint8Array(512));
  await expect(write).rejects.toMatchObject({ code: "read-only" });
  await opened.close();
});

it("writes where that is asked for, but not to those that are ro", async () => {
  const { a, b } = files();
  const concise = `w,,,,0 64 linear ${a} 0;r,,,ro,0 64 linear ${b} 0`;
  const options = { concise, readOnly: false, parityEngine: () => plainEngine };
  const opened = await openMappedVolumes(nodeEnv(), options);
  const [w, r] = opened.volumes;
  await writeSectors(w!.device, 1, new Uint8Array(512).fill(9));
  await expect(writeSectors(r!.device, 1, new Uint8Array(512))).rejects.toMatchObject({
    code: "read-only",
  });
  await opened.close();
  expect(readFileSync(a)[512]).toBe(9);
  expect(readFileSync(b)[512]).toBe(2);
});

it("makes all that are described, shows the one that was chosen, and lets go of everything when one is wrong", async () => {
  const { a } = files();
  const parityEngine = () => plainEngine;
  const open = (concise: string, volume?: string) =>
    openMappedVolumes(nodeEnv(), {
      concise,
      readOnly: false,
      parityEngine,
      ...(volume === undefined ? {} : { volume }),
    });
  const good = `low,,,,0 64 linear ${a} 0;up,,,,0 8 linear low 8`;
  const opened = await open(good, "up");
  expect(opened.volumes.map(({ name }) => name)).toEqual(["up"]);
  await opened.close();
  await expect(open(good, "none")).rejects.toMatchObject({ code: "not-found" });
  await expect(open(`${good};bad,,,,0 8 linear low`)).rejects.toThrow("bad: linear: the offset");
  // It is held by nobody: it can be had for writing again.
  await (await open(good)).close();
  expect(statSync(a).size).toBe(SECTORS * 512);
});
