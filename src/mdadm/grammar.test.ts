import { describe, expect, it } from "vitest";
import { askMdadm } from "../../test/support/mdadm.ts";
import { hasPeer, peerDescribe } from "../../test/support/peers.ts";
import type { MdadmCommand, Parsed } from "./command.ts";
import { parseCommandLine } from "./grammar.ts";
import { updateWordLines } from "./setters.ts";

const parse = (line: string): Parsed => parseCommandLine(line.split(" ").filter(Boolean));

function commandOf<M extends MdadmCommand["mode"]>(
  mode: M,
  line: string,
): Extract<MdadmCommand, { mode: M }> {
  const parsed = parse(line);
  if (parsed.kind !== "command" || parsed.command.mode !== mode)
    throw new Error(`${line}: ${JSON.stringify(parsed)}`);
  return parsed.command as Extract<MdadmCommand, { mode: M }>;
}

describe("create and build", () => {
  it("takes letters in one word, values attached or not, and options between devices", () => {
    const command = commandOf("create", "-CfR /x/md0 -l5 -pls -n3 -x1 -c 64 a b missing d");
    expect(command).toMatchObject({ level: "raid5", layout: 2, raidDevices: 3, spareDevices: 1 });
    expect(command).toMatchObject({ chunkSectors: 128, run: true, common: { force: true } });
    expect(command.devices.map(({ path, missing }) => [path, missing])).toEqual([
      ["a", false],
      ["b", false],
      ["missing", true],
      ["d", false],
    ]);
    expect(commandOf("create", "-CRf /x/md0 -n 3 a -l 5 b c").array).toBe("/x/md0");
    expect(commandOf("create", "-C /x/m -l1 -n2 a MISSING").devices[1]!.missing).toBe(true);
  });

  it("-a -b -c -d are auto, bitmap, chunk and delay", () => {
    const command = commandOf(
      "create",
      "--create -amd /x/md0 -binternal --bitmap-chunk=4 -d1 -l10 -pf2 -n2 -c32 --write-behind a b",
    );
    expect(command).toMatchObject({ bitmap: { kind: "internal" }, bitmapChunkBytes: 4096 });
    expect(command).toMatchObject({ delaySeconds: 1, level: "raid10", layout: 0x201 });
    expect(command.writeBehind).toBe(256);
    expect(commandOf("build", "-B /x/m -l linear --rounding=64 -n2 a b")).toMatchObject({
      level: "linear",
      chunkSectors: 128,
    });
  });

  it("marks the devices behind -W and --failfast", () => {
    const { devices } = commandOf("create", "-C /x/m -l1 -n3 a -W b --failfast --nofailfast c");
    expect(devices.map(({ writeMostly, failFast }) => [writeMostly, failFast])).toEqual([
      [null, null],
      [true, null],
      [true, false],
    ]);
  });

  it("reads metadata, sizes, names, UUIDs, offsets", () => {
    const command = commandOf(
      "create",
      "-C /x/m -e1.0 -l6 -n4 --size=max -u 0123456789abcdef:fedcba9876543210 -N Fred a b c missing --homehost=h --data-offset=4M",
    );
    expect(command).toMatchObject({
      metadata: { kind: "native", version: "1.0" },
      size: "max",
      uuid: "01234567:89abcdef:fedcba98:76543210",
      name: "Fred",
      dataOffset: 8192,
      common: { homehost: "h", homehostRequired: true },
    });
    const variable = commandOf("create", "-C /x/m -l1 -n2 --data-offset=variable a:1M b:2048s");
    expect(variable.devices).toMatchObject([
      { path: "a", dataOffsetSectors: 2048 },
      { path: "b", dataOffsetSectors: 2048 },
    ]);
  });

  it("reads the layouts of all levels", () => {
    const layout = (level: string, words: string): number | null =>
      commandOf("create", `-C /x/m -n4 -l${level} -p ${words} a b c d`).layout;
    expect(layout("5", "ddf-zero-restart")).toBe(1);
    expect(layout("6", "ddf-zero-restart")).toBe(8);
    expect(layout("6", "parity-first-6")).toBe(20);
    expect(layout("0", "alternate")).toBe(2);
    expect(layout("10", "o3")).toBe(0x10301);
    expect(layout("10", "n3")).toBe(0x103);
    expect(layout("faulty", "wt5")).toBe(160);
  });
});

describe("assemble", () => {
  it("-AR, -As, with devices, with an identity, with nothing", () => {
    expect(commandOf("assemble", "-AR /x/md0 a b")).toMatchObject({
      run: true,
      what: { kind: "devices", array: "/x/md0", devices: ["a", "b"] },
    });
    expect(commandOf("assemble", "-As")).toMatchObject({
      what: { kind: "all" },
      common: { scan: true, brief: true },
    });
    expect(commandOf("assemble", "-As x y").what).toEqual({ kind: "arrays", arrays: ["x", "y"] });
    expect(commandOf("assemble", "-A x").what).toEqual({ kind: "arrays", arrays: ["x"] });
    expect(commandOf("assemble", "-A x -m 3")).toMatchObject({
      what: { kind: "devices", array: "x", devices: [] },
      identity: { superMinor: 3 },
    });
    expect(commandOf("assemble", "-A x -c conf --update=resync --name=2 a")).toMatchObject({
      common: { config: "conf" },
      update: "resync",
      identity: { name: "2" },
    });
    expect(commandOf("assemble", "-Asvv").common).toMatchObject({ brief: false, verbosity: 2 });
  });

  it("lists the words of --update when asked", () => {
    expect(parse("-A /x/md0 -U help").kind).toBe("update-words");
    expect(parse("-A /x/md0 --update=?").kind).toBe("update-words");
    expect(updateWordLines()[0]).toContain("'uuid'");
  });
});

describe("manage", () => {
  it("is what an option like -f makes it, before or behind the array", () => {
    const expected = [{ path: "dev", action: "fail" }];
    expect(commandOf("manage", "md0 -f dev").devices).toMatchObject(expected);
    expect(commandOf("manage", "--fail md0 dev").devices).toMatchObject(expected);
    expect(commandOf("manage", "--set-faulty md0 dev").array).toBe("md0");
    expect(commandOf("manage", "md0 -r dev").devices).toMatchObject([{ action: "remove" }]);
  });

  it("keeps an action for all devices until the next", () => {
    const { devices } = commandOf(
      "manage",
      "/x/m --fail a b --remove a detached --add c --re-add missing --replace d --with e",
    );
    expect(devices.map(({ path, action }) => `${action} ${path}`)).toEqual([
      "fail a",
      "fail b",
      "remove a",
      "remove detached",
      "add c",
      "re-add missing",
      "replace d",
      "with e",
    ]);
  });

  it("-f fails, --force forces, -w and -W mark", () => {
    expect(commandOf("manage", "m --add --force a").common.force).toBe(true);
    const { devices } = commandOf("manage", "m --add -W a -w b");
    expect(devices.map(({ writeMostly }) => writeMostly)).toEqual([true, false]);
    expect(commandOf("manage", "-ro m")).toMatchObject({ array: "m", readOnly: true });
    expect(commandOf("manage", "--manage m -o -R")).toMatchObject({ readOnly: true, run: true });
  });
});

describe("misc", () => {
  const actions = (line: string): string[] =>
    commandOf("misc", line).devices.map(({ path, action }) => `${action} ${path}`);

  it("gives each device the action before it", () => {
    expect(actions("-S a -D b c")).toEqual(["stop a", "detail b", "detail c"]);
    expect(actions("-Db a")).toEqual(["detail a"]);
    expect(actions("--zero a b")).toEqual(["zero-superblock a", "zero-superblock b"]);
    expect(actions("-Q -E a")).toEqual(["examine a"]);
    expect(actions("-X a")).toEqual(["examine-bitmap a"]);
    expect(actions("-W a")).toEqual(["wait a"]);
    expect(actions("a")).toEqual(["query a"]);
  });

  it("-Ebs, -Ssq: letters that mean something else elsewhere", () => {
    expect(commandOf("misc", "-Ebs")).toMatchObject({
      action: "examine",
      common: { brief: true, scan: true },
    });
    expect(commandOf("misc", "-Ssq")).toMatchObject({ action: "stop", common: { verbosity: -1 } });
    expect(commandOf("misc", "-DY a").common.export).toBe(true);
    expect(commandOf("misc", "-Sf a").common.force).toBe(true);
    expect(commandOf("misc", "--action=check a")).toMatchObject({ syncAction: "check" });
    expect(commandOf("misc", "--dump=d a")).toMatchObject({ folder: "d", action: "dump" });
  });
});

describe("the other modes", () => {
  it("monitor: -r -f -p -m -d have values of their own", () => {
    expect(
      commandOf("monitor", "-F -s -m me -p prog -r 5 -d 9 -f -i pid -1 -y -t --no-sharing x"),
    ).toMatchObject({
      mail: "me",
      program: "prog",
      incrementPercent: 5,
      delaySeconds: 9,
      daemonise: true,
      pidFile: "pid",
      oneShot: true,
      sharing: false,
      devices: ["x"],
    });
    expect(commandOf("monitor", "--follow x")).toMatchObject({
      incrementPercent: 20,
      sharing: true,
    });
  });

  it("grow: says what asks for a reshape", () => {
    expect(commandOf("grow", "-Gb internal /x/m --bitmap-chunk=4")).toMatchObject({
      bitmap: { kind: "internal" },
      reshapeOptions: [],
    });
    expect(commandOf("grow", "-G -n3 --size max /x/m --add a b")).toMatchObject({
      raidDevices: 3,
      size: "max",
      add: [{ path: "a" }, { path: "b" }],
      reshapeOptions: [],
    });
    expect(commandOf("grow", "--grow /x/m -l 6 -pls -c 64 --backup=f").reshapeOptions).toEqual([
      "--level",
      "--layout",
      "--chunk",
      "--backup-file",
    ]);
  });

  it("incremental: devices, -If, -Ir, -Is, links", () => {
    expect(commandOf("incremental", "-I a b").what).toEqual({
      kind: "add",
      device: "a",
      links: ["b"],
    });
    expect(commandOf("incremental", "-If a --path=p").what).toMatchObject({ kind: "remove" });
    expect(commandOf("incremental", "-Ir").what).toEqual({ kind: "rebuild-map" });
    expect(commandOf("incremental", "-IRs")).toMatchObject({ run: true, what: { kind: "scan" } });
    expect(commandOf("auto-detect", "--auto-detect").mode).toBe("auto-detect");
  });

  it("help, by mode and in general, and the version", () => {
    expect(parse("-h")).toEqual({ kind: "help", topic: null });
    expect(parse("-Fh")).toEqual({ kind: "help", topic: "monitor" });
    expect(parse("--create --help")).toEqual({ kind: "help", topic: "create" });
    expect(parse("--help-options")).toEqual({ kind: "help", topic: "options" });
    expect(parse("--config=--help")).toEqual({ kind: "help", topic: "config" });
    expect(parse("-V")).toEqual({ kind: "version" });
  });
});

/** Lines that are refused, with the exit code and, where scripts may look at it, the text. */
const REFUSED: [line: string, exitCode: 1 | 2, message?: string][] = [
  ["", 2, "Usage: mdadm --help"],
  ["-b", 2, "Usage: mdadm --help"],
  ["-v", 2],
  ["-C", 2, "mdadm: an md device must be given in this mode"],
  ["-A", 2, "mdadm: an md device must be given in this mode"],
  ["-G --add", 2, "mdadm: an md device must be given in this mode"],
  ["-C /x/md0 -q", 1, "mdadm: no raid-devices specified."],
  ["-C /x/md0 -n2", 1, "mdadm: a RAID level is needed to create an array."],
  ["--zero", 2, "mdadm: No devices given."],
  ["-D", 2, "mdadm: No devices given."],
  ["-W", 2, "mdadm: No devices given."],
  ["-E -- raid.img", 2],
  ["-CfR /x/md0 --foo", 2, "mdadm: unrecognized option '--foo'"],
  ["-C /x/md0 -l5 -l6", 2],
  ["-C /x/md0 -S", 2, "mdadm: option -S not valid in create mode"],
  ["-C /x/md0 -t", 2, "mdadm: option -t not valid in create mode"],
  ["-C /x/md0 -s", 2, "mdadm: option -s not valid in create mode"],
  ["-C /x/md0 -w", 2, "mdadm: option -w not valid in create mode"],
  ["-B /x/md0 -o", 2, "mdadm: option -o not valid in build mode"],
  ["-B /x/md0 -l1 -n2 -e 1.2", 2, "mdadm: option -e not valid in build mode"],
  ["-B /x/md0 -l1 -n2 -x1", 2, "mdadm: option -x not valid in build mode"],
  ["-A /x/md0 -t", 2, "mdadm: option -t not valid in assemble mode"],
  ["-A /x/md0 -l1", 2, "mdadm: option -l not valid in assemble mode"],
  ["-G /x/md0 -U x", 2, "mdadm: option -U not valid in grow mode"],
  ["-G /x/md0 -x 1", 2, "mdadm: option -x not valid in grow mode"],
  ["-G /x/md0 -s", 2, "mdadm: option -s not valid in grow mode"],
  ["-G /x/md0 -R", 2, "mdadm: option -R not valid in grow mode"],
  ["-I -U x", 2, "mdadm: option -U not valid in incremental mode"],
  ["-I -o x", 2, "mdadm: option -o not valid in incremental mode"],
  ["-I -b x", 2, "mdadm: option -b not valid in incremental mode"],
  ["-F -R", 2, "mdadm: option -R not valid in monitor mode"],
  ["-D -n 3", 2, "mdadm: option -n not valid in misc mode"],
  ["-D --add", 2, "mdadm: :option --add not valid in misc mode"],
  ["--manage /x/md0 -b x", 2, "mdadm: option -b not valid in manage mode"],
  ["--manage /x/md0 -c x", 2, "mdadm: option -c not valid in manage mode"],
  ["--manage /x/md0 -s", 2, "mdadm: option -s not valid in manage mode"],
  ["--manage /x/md0 --config=x", 2, "mdadm: :option --config not valid in manage mode"],
  ["--auto-detect --scan", 2, "mdadm: :option --scan not valid in auto-detect mode"],
  ["-A -C", 2, 'mdadm: -C would set mdadm mode to "create", but it is already set to "assemble".'],
  ["-ACB", 2],
  [
    "--manage /x/md0 -D",
    2,
    'mdadm: -D would set mdadm mode to "misc", but it is already set to "manage".',
  ],
  ["-n3 /x/md0", 2, "mdadm: -n does not set the mode, and so cannot be the first option."],
  ["-k", 2],
  ["-k x", 2, "mdadm: -k does not set the mode, and so cannot be the first option."],
  ["-c x", 2, "mdadm: -c does not set the mode, and so cannot be the first option."],
  ["-e1 -E", 2, "mdadm: -e does not set the mode, and so cannot be the first option."],
  ["--config=x -D", 2, "mdadm: --config does not set the mode, and so cannot be the first option."],
  ["/x/md0 /x/a -C", 2, "mdadm: An option must be given to set the mode before a second device"],
  ["/x/md0 x", 2],
  ["/x/md0 -E x", 2, "mdadm: No action given for /x/md0 in --misc mode"],
  ["--manage /x/md0 x", 2, "mdadm: Must give one of -a/-r/-f for subsequent devices at x"],
  ["-G /x/md0 x", 2, "mdadm: Must give -a/--add for devices to add: x"],
  ["--manage /x/md0 -a --with x", 2, "mdadm: --with must follow --replace"],
  ["/x/md0 --with x", 2, "mdadm: --with must follow --replace"],
  ["--manage /x/md0 -R -S", 2],
  ["--manage /x/md0 --re-add -U foo x", 2],
  ["-C /x/md0 -pls", 2, "mdadm: raid level must be given before layout."],
  ["-C /x/md0 --layout=ls -l5", 2, "mdadm: raid level must be given before layout."],
  ["-C /x/md0 -l9", 2, "mdadm: invalid raid level: 9"],
  ["-C /x/md0 -l5 -pxx", 2, "mdadm: layout xx not understood for raid5."],
  ["-C /x/md0 -l5 -p5", 2, "mdadm: layout 5 not understood for raid5."],
  ["-C /x/md0 -l1 -n2 -pn2", 2, "mdadm: layout not meaningful for raid1 arrays."],
  ["-C /x/md0 -l4 -pls", 2, "mdadm: layout not meaningful for raid4 arrays."],
  ["-C /x/md0 -l10 -pn201", 2],
  ["-C /x/md0 -l10 -pn0", 2],
  ["-C /x/md0 -l10 -pnear=2", 2],
  ["-C /x/md0 -l5 -pls -pls", 2],
  ["-C /x/md0 -lfaulty -pwtx", 2, "mdadm: layout wtx not understood for faulty."],
  ["-C /x/md0 -c3", 2, "mdadm: invalid chunk/rounding value: 3"],
  ["-C /x/md0 -c9s", 2, "mdadm: invalid chunk/rounding value: 9s"],
  ["-C /x/md0 -c 5k", 2, "mdadm: invalid chunk/rounding value: 5k"],
  ["-C /x/md0 -c4 -c4", 2],
  ["-C /x/md0 -n x", 2],
  ["-C /x/md0 -n 4x", 2],
  ["-C /x/md0 -n2 -n2", 2],
  ["-C /x/md0 -x -1", 2],
  ["-C /x/md0 -n2 -x1 -x1", 2],
  ["-C /x/md0 -z 0", 2, "mdadm: invalid size: 0"],
  ["-C /x/md0 -z 100x", 2, "mdadm: invalid size: 100x"],
  ["-C /x/md0 -e 5", 2, "mdadm: unrecognised metadata identifier: 5"],
  ["-C /x/md0 -e 1.3", 2, "mdadm: unrecognised metadata identifier: 1.3"],
  ["-C /x/md0 -e0 -e1.0", 2, "mdadm: metadata information already given"],
  ["-C /x/md0 -u 12", 2, "mdadm: Bad uuid: 12"],
  ["-A /x/md0 -u 12", 2, "mdadm: Bad uuid: 12"],
  ["-C /x/md0 -N aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 2],
  ["-C /x/md0 -N", 2],
  ["-C /x/md0 -b foo", 2],
  ["-C /x/md0 -b internal -b none", 2],
  ["-G /x/md0 -b foo", 2],
  ["-C /x/md0 --bitmap-chunk=3", 2, "mdadm: invalid bitmap chunksize: 3"],
  ["-C /x/md0 --bitmap-chunk=0", 2],
  ["-C /x/md0 -d 0", 2, "mdadm: invalid delay: 0"],
  ["-C /x/md0 --write-behind=99999", 2],
  ["-C /x/md0 --write-behind=-1", 2],
  ["-C /x/md0 -k foo", 2],
  ["-C /x/md0 -k ppl", 2],
  ["-C /x/md0 -k journal", 2],
  ["-C /x/md0 -k bitmap", 2],
  ["-C /x/md0 --nodes=1", 2],
  ["-C /x/md0 -a foo", 2],
  ["-C /x/md0 -a no4", 2],
  ["-C /x/md0 --data-offset=0x", 2, "mdadm: invalid data-offset: 0x"],
  ["-C /x/md0 -l1 -n1 a", 2],
  ["-C /x/md0 -l5 -n1 -f", 1],
  ["-C /x/md0 -l0 -n2 -x1", 2],
  [
    "-C /x/md0 -l1 -n2 -R",
    1,
    "mdadm: You haven't given enough devices (real or missing) to create this array",
  ],
  [
    "-C /x/md0 -l1 -n2 a b c",
    1,
    "mdadm: You have listed more devices (3) than are in the array(2)!",
  ],
  ["-B /x/md0 -l5 -n3 a b c", 2],
  ["-B /x/md0 -n2", 1],
  ["-B /x/md0 -l1", 1, "mdadm: no raid-devices specified."],
  ["-B /x/md0 -l1 -n2", 1, "mdadm: requested 2 devices in array but listed 0"],
  ["-A /x/md0 -U foo", 2, "mdadm: '--update=foo' is invalid.  Valid --update options are:"],
  ["-A /x/md0 -U uuid -U name", 2],
  ["-A /x/md0 -N a -N b", 2],
  ["-A /x/md0 -m x", 2],
  ["-A -c a -c b /x/md0", 2],
  ["-As -Uname /x/a /x/b", 1, "mdadm: can only update a single array at a time"],
  ["-D -E a", 2],
  ["-E -D a", 2],
  ["-E -Q a", 2],
  ["-D --action=foo a", 2, "mdadm: action must be one of idle, frozen, check, repair"],
  ["--action=idle --action=check a", 2, "mdadm: Only one --action can be specified"],
  ["--dump=x --dump=y a", 2],
  ["-G /x/md0 -z 0", 2, "mdadm: invalid size: 0"],
  ["-G /x/md0 -Z 0", 2, "mdadm: invalid array size: 0"],
  ["-G /x/md0 -l foo", 2, "mdadm: invalid raid level: foo"],
  ["-F", 1, "mdadm: Cannot monitor: need --scan or at least one device"],
  ["-F -i x /x/md0", 1, "mdadm: Cannot write a pid file when not in daemon mode"],
  ["-F -r 0 x", 2],
  ["-F --increment=100 x", 2],
  ["-F --delay=x", 2, "mdadm: invalid delay: x"],
  ["-I", 1, "mdadm: --incremental requires a device."],
  ["-If", 1, "mdadm: --incremental requires a device."],
  ["-Is a", 1, "mdadm: In --incremental mode, a device cannot be given with --scan."],
];

/** Lines that the grammar lets pass; on a machine without these devices mdadm then fails with 1, never 2. */
const TAKEN: readonly string[] = [
  "/x/md0",
  "/x/md0 -a",
  "/x/md0 -f a",
  "--manage /x/md0 -o -w",
  "--manage /x/md0 --force",
  "--manage /x/md0 --replace a --with b",
  "-S /x/a -D /x/b",
  "-D --scan /x/a",
  "-Dbb x",
  "-Ss a",
  "-A /x/md0 -U uuid",
  "-G /x/md0 -a -b internal",
  "-G /x/md0 -n 3 -z 4",
  "-G /x/md0 --continue",
  "-G /x/md0 --size=max --data-offset=5",
  "-G /x/md0 -p ls",
  "-G /x/md0 -Z max",
  "-I /x/a /x/b",
  "-If nothing-like-this",
];

const firstLine = (parsed: Parsed): string => {
  if (parsed.kind !== "error") throw new Error(JSON.stringify(parsed));
  return parsed.lines.length === 0 ? parsed.usage![0]! : `mdadm: ${parsed.lines[0]}`;
};

describe("what is refused", () => {
  it.each(REFUSED)("mdadm %s", (line, exitCode, message) => {
    const parsed = parse(line);
    expect(parsed).toMatchObject({ kind: "error", exitCode });
    if (message !== undefined) expect(firstLine(parsed)).toBe(message);
  });

  it.each(TAKEN)("not mdadm %s", (line) => {
    expect(parse(line).kind).toBe("command");
  });
});

/** What mdadm 4.2 does otherwise than later ones. */
const SINCE_4_2 = new Set(["-C /x/md0 -b foo", "-G /x/md0 -b foo"]);

peerDescribe(["mdadm"], "the real mdadm", () => {
  const isThere = hasPeer("mdadm");
  it.each(isThere ? REFUSED : [])("refuses %s in the same way", (line, exitCode, message) => {
    const theirs = askMdadm(line.split(" ").filter(Boolean));
    expect(theirs.exitCode).toBe(exitCode);
    if (message !== undefined && !SINCE_4_2.has(line)) expect(theirs.lines[0]).toBe(message);
  });

  it.each(isThere ? TAKEN : [])("understands %s", (line) => {
    expect(askMdadm(line.split(" ")).exitCode).toBe(1);
  });
});
