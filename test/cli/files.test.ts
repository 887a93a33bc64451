/** ls and cat, and how disks are told from files. */
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import { markFileArguments, splitOperands } from "../../src/cli/file-arguments.ts";
import { command as cp } from "../../src/cli/commands/cp.ts";
import { command as ls } from "../../src/cli/commands/ls.ts";
import { modeText } from "../../src/cli/views/files-view.ts";
import { runInProcess } from "../support/cli.ts";
import type { RunOptions } from "../support/cli.ts";
import { fakeFiles } from "../support/fake-files.ts";
import { openedVolume, openedVolumes } from "../support/volumes.ts";

const broken = new HoldfastError("io", "/bad cannot be read.");

function tree() {
  return fakeFiles(
    [
      { path: "/b.txt", content: ["hello ", "world\n"] },
      { path: "/a", kind: "folder", mode: 0o1777, links: 3 },
      { path: "/a/deep", kind: "folder", mode: 0o755 },
      { path: "/a/deep/file", content: ["x", 3, "y"], mode: 0o4755 },
      { path: "/a/link", kind: "link", mode: 0o777, linkTarget: "../b.txt" },
      { path: "/caf\udce9", content: [] },
      { path: "/esc\u001b[2J", content: [] },
      { path: "/bad", content: ["begin", broken] },
    ],
    ["The journal holds changes."],
  );
}

function run(args: readonly string[], options: RunOptions = {}, files = tree()) {
  const opened = openedVolumes([openedVolume()]);
  const services = { open: () => Promise.resolve(opened), files: () => Promise.resolve(files) };
  return runInProcess(args, { services, ...options }).then((result) => {
    expect([files.isClosed, opened.isClosed]).toEqual([true, true]);
    return result;
  });
}

describe("holdfast ls", () => {
  it("lists the root folder, names byte for byte in a pipe", async () => {
    const { code, stdoutBytes, stderr } = await run(["ls", "d0.img"]);
    expect(code).toBe(0);
    expect(stderr).toBe("holdfast: note: data: The journal holds changes.\n");
    const expected = Buffer.from("a\nb.txt\nbad\ncaf\xe9\nesc\x1b[2J\n", "latin1");
    expect(Buffer.from(stdoutBytes).equals(expected)).toBe(true);
  });

  it("shows names that a terminal does not obey", async () => {
    const options = { columns: 80, variables: { NO_COLOR: "1" } };
    const { stdout } = await run(["ls", "d0.img"], options);
    expect(stdout).toBe("a\nb.txt\nbad\ncaf\\xe9\nesc\\x1b[2J\n");
  });

  it("lists folders and files, in full with -l", async () => {
    const { code, stdout } = await run(["ls", "-l", "d0.img", ":/a", ":/b.txt"]);
    expect(code).toBe(0);
    expect(stdout).toBe(`\
-rw-r--r--  1  1000  100  12  2020-09-13T12:26:40Z  /b.txt

/a:
drwxr-xr-x  1  1000  100  0  2020-09-13T12:26:40Z  deep
lrwxrwxrwx  1  1000  100  0  2020-09-13T12:26:40Z  link -> ../b.txt
`);
  });

  it("goes down with -R", async () => {
    const { stdout } = await run(["ls", "-R", "d0.img", "--volume", "data", "/a"]);
    expect(stdout).toBe("/a:\ndeep\nlink\n\n/a/deep:\nfile\n");
  });

  it("prints JSON", async () => {
    const { stdout } = await run(["ls", "--json", "-R", "d0.img", ":/a"]);
    expect((JSON.parse(stdout) as { files: unknown[] }).files).toEqual([
      expect.objectContaining({ path: "/a/deep", kind: "folder" }),
      {
        path: "/a/link",
        kind: "link",
        sizeBytes: 0,
        mode: 0o777,
        owner: 1000,
        group: 100,
        links: 1,
        modified: "2020-09-13T12:26:40Z",
        linkTarget: "../b.txt",
      },
      expect.objectContaining({ path: "/a/deep/file", sizeBytes: 5, mode: 0o4755 }),
    ]);
  });

  it("goes on after what is not there, and fails at the end", async () => {
    const { code, stdout, stderr } = await run(["ls", "d0.img", ":/nope", ":/b.txt"]);
    expect([code, stdout]).toEqual([1, "/b.txt\n"]);
    expect(stderr).toContain("holdfast: /nope does not exist on data.\n");
  });

  it("leaves out names that no folder can have", async () => {
    const files = fakeFiles([
      { path: "/x", name: ".." },
      { path: "/y", name: "a/b" },
      { path: "/z", name: "" },
      { path: "/good" },
    ]);
    expect((await run(["ls", "d0.img"], {}, files)).stdout).toBe("good\n");
  });

  it("ends quietly when its reader has gone", async () => {
    const { code, stderr } = await run(["ls", "d0.img"], { closedAfter: 0 });
    expect([code, stderr.includes("holdfast: note")]).toEqual([0, true]);
  });

  it.each([
    ["file", 0o644, "-rw-r--r--"],
    ["folder", 0o1777, "drwxrwxrwt"],
    ["file", 0o6711, "-rws--s--x"],
    ["file", 0o7000, "---S--S--T"],
    ["fifo", 0o600, "prw-------"],
  ] as const)("writes the mode of a %s %o as %s", (kind, mode, text) => {
    expect(modeText(kind, mode)).toBe(text);
  });
});

describe("holdfast cat", () => {
  it("prints files byte for byte, holes as zeros", async () => {
    const { code, stdout } = await run(["cat", "d0.img", ":/b.txt", ":/a/deep/file"]);
    expect([code, stdout]).toEqual([0, "hello world\nx\0\0\0y"]);
  });

  it("goes on after a file that cannot be read, and fails at the end", async () => {
    const { code, stdout, stderr } = await run(["cat", "d0.img", ":/bad", ":/a", ":/b.txt"]);
    expect([code, stdout]).toEqual([1, "beginhello world\n"]);
    expect(stderr).toContain("holdfast: /bad cannot be read.\nholdfast: /a is not a file");
  });

  it("ends quietly when its reader has gone", async () => {
    expect((await run(["cat", "d0.img", ":/b.txt"], { closedAfter: 1 })).code).toBe(0);
  });

  it("wants a file and a disk", async () => {
    const noFile = await runInProcess(["cat", "d0.img"]);
    expect(noFile).toMatchObject({ code: 2 });
    expect(noFile.stderr).toContain("cat: no file is named");
    const noDisk = await runInProcess(["cat", "--volume", "data", ":/a"]);
    expect(noDisk).toMatchObject({ code: 2 });
    expect(noDisk.stderr).toContain("cat: no disk is named");
  });
});

describe("disks and files on the command line", () => {
  const split = (words: string) => {
    const marked = markFileArguments(ls.meta, words.split(" "));
    return splitOperands(
      "ls",
      marked.filter((word) => !word.startsWith("--")),
    );
  };

  it.each([
    ["d0.img :/a :/b", ["d0.img"], ["/a", "/b"]],
    [":/a d0.img", ["d0.img"], ["/a"]],
    ["/dev/sda /dev/sdb", ["/dev/sda", "/dev/sdb"], []],
    ["/dev/sda --volume=data /photos", ["/dev/sda"], ["/photos"]],
    ["--volume=data d0.img /photos", ["d0.img"], ["/photos"]],
    ["/dev/sda --volume=data -- /photos", ["/dev/sda"], ["/photos"]],
    ["./:/odd :/a", ["./:/odd"], ["/a"]],
  ])("%s", (words, disks, files) => {
    expect(split(words)).toEqual({ disks, files });
  });

  it("does not take an option's value for a file, nor DEST of cp", () => {
    const words = ["d0", "--volume", "data", "--backup-file", "/b", "/photos", "-r", "/dest"];
    expect(markFileArguments(cp.meta, words)).toEqual([
      "d0",
      "--volume",
      "data",
      "--backup-file",
      "/b",
      ":/photos",
      "-r",
      "/dest",
    ]);
  });

  it("says how, when every word was taken for a file", () => {
    const words = markFileArguments(ls.meta, ["--volume=data", "/dev/sda"]).slice(1);
    expect(() => splitOperands("ls", words)).toThrow("no disk is named: disks stand in front");
  });
});
