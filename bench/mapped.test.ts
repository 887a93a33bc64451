import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { build } from "../scripts/build.mjs";
import { ROOT } from "../scripts/setup.mjs";
import { NbdTestClient } from "../test/support/nbd-client.ts";
import { filesOf } from "./load-cell.ts";
import { makeStack } from "./mapped.ts";
import type { MadeStack, MappedKind } from "./mapped.ts";
import { hydrateSeconds } from "./pass-cell.ts";
import { runChecked } from "./processes.ts";
import { startServer } from "./servers.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast bench, test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function dumped(stack: MadeStack, files: MappedKind | "members"): Promise<Buffer> {
  await build();
  const out = join(folder, "out");
  const args = ["dump", "--overwrite", "-o", out, ...filesOf(stack, { files })];
  await runChecked(join(ROOT, "bin", "holdfast"), args, 60);
  return readFileSync(out);
}

/** The same blocks of 4 KiB, in any order. */
function blocksOf(data: Buffer): Set<string> {
  const blocks = new Set<string>();
  for (let at = 0; at < data.length; at += 4096) blocks.add(data.toString("latin1", at, at + 4096));
  return blocks;
}

it("makes a linear and a striped device of the same bytes as the file", async () => {
  const stack = await makeStack(folder, "dm-linear", 6);
  const plain = readFileSync(stack.plain);
  expect((await dumped(stack, "linear")).equals(plain)).toBe(true);
  const striped = await dumped(stack, "striped");
  expect(striped.equals(plain)).toBe(false);
  expect(blocksOf(striped)).toEqual(blocksOf(plain));
});

it("makes a mirror and an array of the same bytes", async () => {
  const stack = await makeStack(folder, "dm-mirror", 6);
  const array = await dumped(stack, "members");
  expect((await dumped(stack, "mirror")).equals(array)).toBe(true);
});

it("makes a thin device that has all its blocks", async () => {
  const stack = await makeStack(folder, "dm-thin", 6);
  const thin = await dumped(stack, "thin");
  expect(blocksOf(thin)).toEqual(blocksOf(await dumped(stack, "linear")));
  const metadata = join(folder, "dm-thin-metadata.img");
  await runChecked(join(ROOT, "bin", "holdfast"), ["thin", "check", metadata], 60);
});

it("hydrates a clone, and leaves nothing behind", async () => {
  const stack = await makeStack(folder, "dm-clone", 6);
  expect(await hydrateSeconds(stack)).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual(["dm-clone-plain.img"]);
});

it.each(["plain", "striped"] as const)("serves %s without more around it", async (files) => {
  const stack = await makeStack(folder, "dm-linear", 6);
  const place = { files: filesOf(stack, { files }), writes: "members", folder } as const;
  const server = await startServer("direct", place);
  const path = join(folder, "socket");
  const client = await NbdTestClient.open({ kind: "unix", path }, { name: "bench" });
  const [reply] = await client.call({ type: 0, offset: 0, length: 4096 });
  expect(reply?.payload.equals(readFileSync(stack.plain).subarray(0, 4096))).toBe(true);
  client.socket.destroy();
  await server.stop();
  expect(existsSync(path)).toBe(false);
});
