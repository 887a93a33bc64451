import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import { staysInside } from "../../src/cli/copy-out.ts";
import { runInProcess } from "../support/cli.ts";
import { fakeFiles } from "../support/fake-files.ts";
import { testFolder } from "../support/temp.ts";
import { openedVolume, openedVolumes } from "../support/volumes.ts";

const broken = new HoldfastError("io", "/photos/bad.jpg cannot be read.");

function tree() {
  return fakeFiles([
    { path: "/one.txt", content: ["one"], mode: 0o4640, modifiedSeconds: 1_500_000_000 },
    { path: "/photos", kind: "folder", mode: 0o555, modifiedSeconds: 1_400_000_000 },
    { path: "/photos/a.jpg", content: ["AAAA", 100_000, "end"] },
    { path: "/photos/sub", kind: "folder", mode: 0o700 },
    { path: "/photos/sub/up", kind: "link", linkTarget: "../a.jpg" },
    { path: "/photos/sub/self", kind: "link", linkTarget: "../../photos/a.jpg" },
    { path: "/photos/out", kind: "link", linkTarget: "/etc/passwd" },
    { path: "/photos/bad.jpg", content: ["begin", broken] },
    { path: "/photos/pipe", kind: "fifo" },
  ]);
}

function copy(args: readonly string[], files = tree()) {
  const opened = openedVolumes([openedVolume()]);
  const services = { open: () => Promise.resolve(opened), files: () => Promise.resolve(files) };
  return runInProcess(["cp", "d0.img", ...args], { services });
}

describe("holdfast cp", () => {
  it("copies a file to a new name, with its mode and time", async () => {
    const dest = join(testFolder("cp"), "copy.txt");
    const { code, stderr } = await copy([":/one.txt", dest]);
    expect([code, stderr]).toEqual([
      0,
      "holdfast: note: copied 1 file, 0 folders, 0 links: 3 bytes.\n",
    ]);
    expect(readFileSync(dest, "utf8")).toBe("one");
    const stats = statSync(dest);
    expect([stats.mode & 0o7777, stats.mtimeMs]).toEqual([0o640, 1_500_000_000_000]);
  });

  it("copies into a folder that is there, several files too", async () => {
    const folder = testFolder("cp");
    expect((await copy([":/one.txt", ":/photos/a.jpg", folder])).code).toBe(0);
    expect(readdirSync(folder)).toEqual(["a.jpg", "one.txt"]);
    const data = readFileSync(join(folder, "a.jpg"));
    expect(data.equals(Buffer.from(`AAAA${"\0".repeat(100_000)}end`))).toBe(true);
  });

  it("takes names behind --volume without the colon, and the last word as it is", async () => {
    const folder = testFolder("cp");
    expect((await copy(["--volume", "data", "/one.txt", folder])).code).toBe(0);
    expect(readdirSync(folder)).toEqual(["one.txt"]);
  });

  it("copies folders with -r, says what it could not, and fails then", async () => {
    const folder = testFolder("cp");
    const { code, stderr } = await copy(["-r", ":/photos", folder]);
    expect(code).toBe(1);
    expect(stderr).toBe(`\
holdfast: note: copied 1 file, 2 folders, 1 link: 97.7 KiB.
holdfast: /photos/bad.jpg cannot be read.
holdfast: /photos/pipe: it is a device, a pipe or a socket, and is left out.
holdfast: 2 links that would lead out of the copy were left out (/photos/out, /photos/sub/self); --links makes them too.
`);
    const photos = join(folder, "photos");
    expect(readdirSync(photos)).toEqual(["a.jpg", "sub"]);
    expect(readdirSync(join(photos, "sub"))).toEqual(["up"]);
    expect(readlinkSync(join(photos, "sub", "up"))).toBe("../a.jpg");
    const stats = statSync(photos);
    expect([stats.mode & 0o777, stats.mtimeMs]).toEqual([0o555, 1_400_000_000_000]);
    chmodSync(photos, 0o755);
  });

  it("makes all links when told to", async () => {
    const folder = testFolder("cp");
    await copy(["-r", "--links", ":/photos", folder]);
    expect(readlinkSync(join(folder, "photos", "out"))).toBe("/etc/passwd");
    chmodSync(join(folder, "photos"), 0o755);
  });

  it("copies the root folder's content where it is told", async () => {
    const dest = join(testFolder("cp"), "all");
    await copy(["-r", ":/", dest]);
    expect(readdirSync(dest)).toEqual(["one.txt", "photos"]);
    chmodSync(join(dest, "photos"), 0o755);
  });

  it("copies no folder without -r", async () => {
    const { code, stderr } = await copy([":/photos", testFolder("cp")]);
    expect([
      code,
      stderr.includes("/photos: it is a folder, and folders are copied with -r only"),
    ]).toEqual([1, true]);
  });

  it("replaces files only when told to", async () => {
    const folder = testFolder("cp");
    writeFileSync(join(folder, "one.txt"), "mine");
    const refused = await copy([":/one.txt", folder]);
    expect([refused.code, refused.stderr.includes("exists already")]).toEqual([1, true]);
    expect(readFileSync(join(folder, "one.txt"), "utf8")).toBe("mine");
    expect((await copy(["--overwrite", ":/one.txt", folder])).code).toBe(0);
    expect(readFileSync(join(folder, "one.txt"), "utf8")).toBe("one");
  });

  it("prints JSON", async () => {
    const folder = testFolder("cp");
    const { stdout } = await copy(["--json", "-r", ":/photos", folder]);
    expect(JSON.parse(stdout)).toEqual({
      files: 1,
      folders: 2,
      links: 1,
      bytes: 100_012,
      failed: [
        { path: "/photos/bad.jpg", why: "/photos/bad.jpg cannot be read." },
        { path: "/photos/pipe", why: "it is a device, a pipe or a socket, and is left out" },
      ],
      leftOutLinks: [
        { path: "/photos/out", why: "leads to /etc/passwd" },
        { path: "/photos/sub/self", why: "leads to ../../photos/a.jpg" },
      ],
      isInterrupted: false,
    });
    chmodSync(join(folder, "photos"), 0o755);
  });

  it("wants files, a destination, and a folder for several", async () => {
    for (const args of [[":/one.txt"], ["elsewhere"], []]) {
      expect((await copy(args)).code).toBe(2);
    }
    const { code, stderr } = await copy([":/one.txt", ":/photos", join(testFolder("cp"), "no")]);
    expect([code, stderr.includes("does not exist")]).toEqual([2, true]);
  });
});

describe("holdfast cp never writes outside", () => {
  it("through names, links that were there, or links it made", async () => {
    const folder = testFolder("cp-hostile");
    const outside = join(folder, "outside");
    const dest = join(folder, "dest");
    mkdirSync(outside);
    mkdirSync(dest);
    mkdirSync(join(dest, "root"));
    symlinkSync(outside, join(dest, "root", "planted"));
    symlinkSync(join(outside, "target"), join(dest, "root", "file"));
    const files = fakeFiles([
      { path: "/root", kind: "folder", mode: 0o755 },
      { path: "/root/x", name: "../../outside/escaped", content: ["x"] },
      { path: "/root/y", name: "..", kind: "folder" },
      { path: "/root/planted", kind: "folder", mode: 0o755 },
      { path: "/root/planted/in", content: ["x"] },
      { path: "/root/file", content: ["x"] },
      { path: "/root/door", kind: "link", linkTarget: "../../outside" },
      { path: "/root/good", content: ["x"] },
    ]);
    for (const args of [[], ["--overwrite"], ["--links", "--overwrite"]]) {
      await copy(["-r", ...args, ":/root", dest], files);
      expect(readdirSync(outside)).toEqual([]);
      expect(existsSync(join(dest, "root", "good"))).toBe(true);
    }
    expect(lstatSync(join(dest, "root", "file")).isFile()).toBe(true);
  });

  it("by any links it lets through", () => {
    expect(staysInside("a/b", 0)).toBe(true);
    expect(staysInside("../a", 1)).toBe(true);
    expect(staysInside("./../a/.", 1)).toBe(true);
    expect(staysInside("../a", 0)).toBe(false);
    expect(staysInside("/a", 5)).toBe(false);
    expect(staysInside("", 5)).toBe(false);
    // Through a link "a" that leads up, "a/.." would leave.
    expect(staysInside("a/../b", 5)).toBe(false);
  });

  it("by any set of such links, however they are chained", () => {
    const part = fc.constantFrom("..", ".", "a", "b", "c");
    const target = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
    const spot = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(fc.tuple(spot, target), { maxLength: 6 }), (links) => {
        const made = new Map<string, string>();
        for (const [path, to] of links) {
          if (staysInside(to, path.length - 1)) made.set(path.join("/"), to);
        }
        for (const path of made.keys()) expect(leaves(path.split("/"), made)).toBe(false);
      }),
    );
  });
});

/** Whether following `path` from the top leads above it, as a kernel would go: link by link. */
function leaves(path: readonly string[], links: ReadonlyMap<string, string>): boolean {
  let left = [...path];
  const at: string[] = [];
  for (let steps = 0; left.length > 0 && steps < 200; steps += 1) {
    const part = left.shift()!;
    if (part === ".") continue;
    if (part === "..") {
      if (at.length === 0) return true;
      at.pop();
      continue;
    }
    const target = links.get([...at, part].join("/"));
    if (target === undefined) at.push(part);
    else left = [...target.split("/"), ...left];
  }
  return false;
}
