import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { runToEnd } from "./children.mjs";

const CHILDREN = fileURLToPath(new URL("children.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "children-"));
afterAll(() => rmSync(folder, { recursive: true }));

const SCRIPT = `import { runToEnd, stopOnSignals } from ${JSON.stringify(CHILDREN)};
  stopOnSignals((signal) => { console.log("finish", signal); process.exit(9); });
  await runToEnd("/bin/sh", ["-c", "sleep 1000 & echo ready; wait"]);
  console.log("goes on");`;

describe("stopOnSignals", () => {
  it("ends children and grandchildren before it lets the script finish", async () => {
    const script = join(folder, "script.mjs");
    writeFileSync(script, SCRIPT);
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString();
      if (data.includes("ready")) child.kill("SIGTERM");
    });
    // The pipe closes when the last process that holds it is gone: the grandchild, too.
    const [code] = await once(child, "close");
    expect(output).toBe("ready\nfinish SIGTERM\n");
    expect(code).toBe(9);
  });

  it("takes the end of npm for a signal", async () => {
    const script = join(folder, "orphan.mjs");
    writeFileSync(script, SCRIPT);
    // A shell between them, as npm has one: killed, it tells nobody.
    const command = `"${process.execPath}" "${script}"; true`;
    const shell = spawn("/bin/sh", ["-c", command], {
      env: { ...process.env, npm_lifecycle_event: "start" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    shell.stdout.on("data", (data: Buffer) => {
      output += data.toString();
      if (data.includes("ready")) shell.kill("SIGKILL");
    });
    await once(shell, "close");
    expect(output).toBe("ready\nfinish SIGTERM\n");
  });
});

describe("runToEnd", () => {
  it("resolves to the exit code, 127 where there is no such program", async () => {
    expect(await runToEnd("/bin/sh", ["-c", "exit 5"])).toBe(5);
    expect(await runToEnd(join(folder, "nothing"), [], { stdio: "ignore" })).toBe(127);
  });
});
