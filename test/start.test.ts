/** `npm start`: what a newcomer runs first. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect } from "vitest";
import { listExamples } from "../scripts/examples.mjs";
import { peerTest } from "./support/peers.ts";

const START = fileURLToPath(new URL("../scripts/start.mjs", import.meta.url));
const cache = mkdtempSync(join(tmpdir(), "start-"));
afterAll(() => rmSync(cache, { recursive: true }));

peerTest(["nbdinfo"], "npm start serves the examples until it is told to stop", async () => {
  const child = spawn(process.execPath, [START], {
    env: { ...process.env, XDG_CACHE_HOME: cache },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const data of child.stdout) {
    output += String(data);
    if (output.includes("Ctrl-C stops it.")) break;
  }
  const closed = once(child, "close");
  const uris = [...output.matchAll(/nbd\S+sock$/gm)].map(([uri]) => uri);
  const sizes = uris.map((uri) => execFileSync("nbdinfo", ["--size", uri], { encoding: "utf8" }));
  child.kill("SIGTERM");
  expect(await closed).toEqual([0, null]);

  const examples = listExamples();
  expect(sizes.map(Number)).toEqual(examples.map(({ volume }) => volume.bytes));
  expect(readdirSync(join(cache, "holdfast", "examples"))).toEqual(
    examples.map(({ name }) => name),
  );
  const socket = /socket=(\S+)/.exec(output)?.[1] ?? "";
  expect(socket).not.toBe("");
  expect(existsSync(socket)).toBe(false);
});
