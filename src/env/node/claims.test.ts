/** Exclusive use of files: between processes, by each way that works on this machine, until the process is gone. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, fstatSync, linkSync, openSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { describeBackends } from "../../../test/support/backends.ts";
import { emptyDisk, testFolder } from "../../../test/support/temp.ts";
import { CLAIM_WAYS, claimFile } from "./claims.ts";
import type { ClaimWay, ReleaseClaim } from "./claims.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Another process that claims the file and then waits for its end; resolves once it has it. */
async function claimedElsewhere(path: string, way: keyof typeof CLAIM_WAYS): Promise<ChildProcess> {
  const script = `
    import "${ROOT}scripts/ts-hook.mjs";
    const { fstatSync, openSync } = await import("node:fs");
    const { CLAIM_WAYS, claimFile } = await import("${ROOT}src/env/node/claims.ts");
    const descriptor = openSync(${JSON.stringify(path)}, "r");
    const stats = fstatSync(descriptor, { bigint: true });
    await claimFile({ path: "there", descriptor, stats }, [CLAIM_WAYS.${way}]);
    console.log("claimed");
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return child;
}

function gone(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill("SIGKILL");
  });
}

async function claimedHere(path: string, ways: readonly ClaimWay[]): Promise<ReleaseClaim> {
  const descriptor = openSync(path, "r");
  const stats = fstatSync(descriptor, { bigint: true });
  try {
    const release = await claimFile({ path, descriptor, stats }, ways);
    return () => {
      release();
      closeSync(descriptor);
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Those that this system has. */
const WAYS = (["byFlock", "byProgram", "byName"] as const).filter(
  () => process.platform === "linux",
);

describe.each(WAYS)("%s", (way) => {
  it("keeps another process out until the one that has it is gone, killed or not", async () => {
    const path = emptyDisk(join(testFolder("claims"), "disk"), 4096);
    const child = await claimedElsewhere(path, way);
    await expect(claimedHere(path, [CLAIM_WAYS[way]])).rejects.toMatchObject({ code: "busy" });
    await gone(child);
    const release = await claimedHere(path, [CLAIM_WAYS[way]]);
    release();
    const again = await claimedHere(path, [CLAIM_WAYS[way]]);
    again();
  });

  it("keeps this process from having it twice, by whatever name", async () => {
    const folder = testFolder("claims");
    const path = emptyDisk(join(folder, "disk"), 4096);
    linkSync(path, join(folder, "hard"));
    symlinkSync(path, join(folder, "soft"));
    const release = await claimedHere(path, [CLAIM_WAYS[way]]);
    for (const name of ["hard", "soft"]) {
      const again = claimedHere(join(folder, name), [CLAIM_WAYS[way]]);
      await expect(again).rejects.toMatchObject({ code: "busy" });
    }
    release();
  });
});

it("a lock taken by flock(1) keeps out who uses flock itself, and the reverse", async () => {
  const path = emptyDisk(join(testFolder("claims"), "disk"), 4096);
  for (const [first, second] of [
    ["byProgram", "byFlock"],
    ["byFlock", "byProgram"],
  ] as const) {
    const release = await claimedHere(path, [CLAIM_WAYS[first]]);
    await expect(claimedHere(path, [CLAIM_WAYS[second]])).rejects.toMatchObject({ code: "busy" });
    release();
  }
});

it("refuses where no way works, instead of going on without", async () => {
  const path = emptyDisk(join(testFolder("claims"), "disk"), 4096);
  const nothing = claimedHere(path, [() => "unknown"]);
  await expect(nothing).rejects.toMatchObject({ code: "unsupported" });
});

describeBackends(({ env: { files } }) => {
  it("files open for writing, or exclusively, are had by one; readers are not asked", async () => {
    const path = emptyDisk(join(testFolder("claims"), "disk"), 4096);
    const early = await files.open(path, "read");
    for (const mode of ["read-write", "read-exclusive"] as const) {
      const holder = await files.open(path, mode);
      for (const second of ["read-write", "read-exclusive"] as const)
        await expect(files.open(path, second)).rejects.toMatchObject({
          code: "busy",
          message: expect.stringContaining(`${path} is in use`) as string,
        });
      const reader = await files.open(path, "read");
      await reader.close();
      await holder.close();
    }
    await early.close();
  });
});
