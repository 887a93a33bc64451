/** Every command of dmsetup with arguments that are good, bad and missing: what it says, what it ends with, and what it has changed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { COMMANDS } from "../../src/dmsetup/commands.ts";
import { DmsetupMachine, shellWords } from "../support/dmsetup-run.ts";
import { testFolder } from "../support/temp.ts";

/** v on a disk, w on v, x without a table. */
async function machine(): Promise<DmsetupMachine> {
  const m = new DmsetupMachine();
  for (const line of [
    'create v --table "0 64 linear /disks/d0 8"',
    'create w -u LVM-abc --table "0 32 linear /dev/mapper/v 0"',
    "create x --notable",
  ])
    expect((await m.run(shellWords(line))).code).toBe(0);
  return m;
}

async function state(m: DmsetupMachine): Promise<unknown> {
  const views = await m.host.mappedDevices();
  return views.map(({ eventNumber: _events, ...view }) => view);
}

const GOOD: readonly (readonly [line: string, stdout: string])[] = [
  ['create n --table "0 8 zero"', ""],
  ['create n -u U -j 254 -m 9 --table "0 8 zero" --addnodeoncreate --readahead 8', ""],
  ["create n -n", ""],
  ['create --concise "n,,,,0 8 zero;o,U,7,ro,0 8 zero,8 8 error"', ""],
  ['load v --table "0 8 zero" -r', ""],
  ['reload -u LVM-abc --table "0 8 zero"', ""],
  ["clear v w", ""],
  ["suspend v --noflush --nolockfs", ""],
  ["resume v", ""],
  ["remove w", ""],
  ["remove -u LVM-abc", ""],
  ["remove -j 254 -m 1 --retry", ""],
  ["remove /dev/mapper/w", ""],
  ["remove --deferred v", ""],
  ["remove --force w", ""],
  ["remove_all --force", ""],
  ["wipe_table v", ""],
  ["rename v n", ""],
  ["rename -u LVM-abc n", ""],
  ["rename v --setuuid U", ""],
  ["mknodes", ""],
  ["udevcomplete 0xd4d0001", ""],
  ["udevcookies", ""],
  ["ls", "v\t(254:0)\nw\t(254:1)\nx\t(254:2)\n"],
  ["ls -o blkdevname", "v\t(dm-0)\nw\t(dm-1)\nx\t(dm-2)\n"],
  ["ls --target linear", "v\t(254, 0)\nw\t(254, 1)\n"],
  ["ls --tree", "w (254:1)\n `-v (254:0)\n    `- (7:0)\nx (254:2)\n"],
  ["table", "v: 0 64 linear /disks/d0 8\nw: 0 32 linear 254:0 0\nx: \n"],
  ["table /dev/dm-0", "0 64 linear /disks/d0 8\n"],
  ["table --target zero", ""],
  ["table --showkeys v w", "v: 0 64 linear /disks/d0 8\nw: 0 32 linear 254:0 0\n"],
  [
    "table --concise",
    "v,,0,rw,0 64 linear /disks/d0 8;w,LVM-abc,1,rw,0 32 linear 254:0 0;x,,2,rw\n",
  ],
  ["table --inactive v", "\n"],
  ["status --noflush", "v: 0 64 linear \nw: 0 32 linear \nx: \n"],
  ["deps -o devname w", "1 dependencies\t: (v)\n"],
  [
    "info -c --noheadings",
    "v:254:0:L--w:1:1:0:\nw:254:1:L--w:0:1:0:LVM-abc\nx:254:2:---w:0:0:0:\n",
  ],
  ["info -C --noheadings -o name,open -O -open,name --separator /", "v/1\nw/0\nx/0\n"],
  ["info -c -o name --rows", "Name v w x\n"],
  ["info -c --nameprefixes --noheadings --unquoted -o name v", "DM_NAME=v\n"],
  [
    "info w",
    "Name:              w\nState:             ACTIVE\nRead Ahead:        256\nTables present:    LIVE\nOpen count:        0\nEvent number:      0\nMajor, minor:      254, 1\nNumber of targets: 1\nUUID: LVM-abc\n\n",
  ],
  ["info -c -S open=1 --noheadings -o name", "v\n"],
  ["info -c -S open=1 --noheadings -o selected,name", "1:v\n0:w\n0:x\n"],
  ['info -c -S "!(open=1 || uuid=LVM-abc)" --noheadings -o name', "x\n"],
  ["info -S name=none", ""],
  ["table -S uuid=~^LVM", "w: 0 32 linear 254:0 0\n"],
  ["table -S name=none", ""],
  ["suspend -S name!=w", ""],
  ["remove -S uuid=LVM-abc", ""],
  ["splitname vg-lv -S vg_name=none", ""],
  ["wait v 5", ""],
  ["splitname my--vg-lv-layer --noheadings", "my-vg:lv:layer\n"],
  ["targets", ""],
  ["target-version linear", "linear           v1.4.0\n"],
  ["version", "Library version:   1.02.185 (2022-05-18)\nDriver version:    4.48.0\n"],
];

describe("what is good", () => {
  it.each(GOOD)("%s", async (line, stdout) => {
    const m = await machine();
    const run = await m.run(shellWords(line));
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: "" });
    if (stdout !== "" || !line.startsWith("targets")) expect(run.stdout).toBe(stdout);
    const json = await (await machine()).run(["--json", ...shellWords(line)]);
    expect(JSON.parse(json.stdout)).toMatchObject({ exitCode: 0, messages: [] });
  });

  it("is there for every command", () => {
    const tried = new Set(GOOD.map(([line]) => line.split(" ")[0]!));
    const missing = COMMANDS.filter(({ names }) => !names.some((name) => tried.has(name)));
    // linear takes no messages, there are no cookies to release, and three are refused.
    expect(missing.map(({ names }) => names[0])).toEqual([
      "message",
      "setgeometry",
      "measure",
      "stats",
      "udevreleasecookie",
    ]);
  });
});

const GONE = "No such device or address\nCommand failed.\n";
const NOBODY = "No device specified.\nCommand failed.\n";

/** Nothing is changed by any of these. */
const BAD: readonly (readonly [line: string, stderr: string])[] = [
  ["create", "Please provide a name for the new device.\nCommand failed.\n"],
  ["create a/b -n", 'Name "a/b" invalid. It contains "/".\nCommand failed.\n'],
  ["create v -n", "device-mapper: create ioctl on v  failed: Device or resource busy\n"],
  [
    "create n -u LVM-abc -n",
    "device-mapper: create ioctl on n LVM-abc failed: Device or resource busy\n",
  ],
  [
    "create n -j 254 -m 1 -n",
    "device-mapper: create ioctl on n (254:1) failed: Device or resource busy\n",
  ],
  ["create n -j 7 -m 9 -n", "device-mapper: create ioctl on n (7:9) failed: Invalid argument\n"],
  [
    "create n -m 9",
    "Please specify both major number and minor number.\nCouldn't process command line.\n",
  ],
  ["create n -j 254 -m x", "Major and minor are numbers.\nCouldn't process command line.\n"],
  ["create n /tmp/none/at-all", "Couldn't open '/tmp/none/at-all' for reading.\nCommand failed.\n"],
  ["create n one two", "Incorrect number of arguments.\n"],
  ['create n --table "0 8"', "Invalid format on line 1 of table .\n"],
  ['create n --table "0 x zero"', "Invalid format on line 1 of table .\n"],
  [
    'create n --table ""',
    "device-mapper: reload ioctl on n (254:3) failed: Invalid argument\nThe table has no line.\n",
  ],
  [
    'create n --table "1 8 zero"',
    "device-mapper: reload ioctl on n (254:3) failed: Invalid argument\ntable line 1: it starts at sector 1",
  ],
  [
    'create n --table "0 8 none"',
    'device-mapper: reload ioctl on n (254:3) failed: Invalid argument\nn: There is no target "none" here',
  ],
  ['create n --table "0 8 linear"', "linear: the device is missing"],
  ['create n --table "0 8 linear /disks/d1 x"', 'linear: word 2 ("x") is wrong: '],
  ['create n --table "0 8 linear /disks/d1 0 more"', 'linear: word 3 ("more") is wrong: '],
  ['create n --table "0 8193 linear /disks/d1 0"', "linear: word 2"],
  [
    'create n --table "0 8 linear /disks/none 0"',
    "device-mapper: reload ioctl on n (254:3) failed: No such device\n",
  ],
  [
    'create n --table "0 8 linear none 0"',
    "none is no mapped device; other devices are named by absolute paths or NBD URIs",
  ],
  ['create --concise "n"', "Five comma-separated fields are required for each device"],
  ['create --concise "n,,x,,0 8 zero"', "Invalid minor number 'x' of n"],
  ['create --concise "n,,,bad,0 8 zero"', "Invalid flags parameter 'bad' of n"],
  ["create --concise", "No device is described"],
  ["load", "Please specify device.\nCommand failed.\n"],
  ['load none --table "0 8 zero"', `device-mapper: reload ioctl on none  failed: ${GONE}`],
  ['load v --table "0 8 linear /dev/mapper/w 0"', "v would stand on itself, by w"],
  ['load v --table "0 8 linear v 0"', "v would stand on itself, by v"],
  ["load v a b", "Incorrect number of arguments.\n"],
  ["clear", NOBODY],
  ["clear none", `device-mapper: clear ioctl on none  failed: ${GONE}`],
  ["suspend", NOBODY],
  ["suspend none", `device-mapper: suspend ioctl on none  failed: ${GONE}`],
  ["resume", NOBODY],
  ["resume none", `device-mapper: resume ioctl on none  failed: ${GONE}`],
  [
    "resume x",
    "device-mapper: resume ioctl on x  failed: Invalid argument\nx has no table; load one first.\n",
  ],
  ["remove", NOBODY],
  ["remove none", `device-mapper: remove ioctl on none  failed: ${GONE}`],
  ["remove -u none", `device-mapper: remove ioctl on  none failed: ${GONE}`],
  ["remove -j 254 -m 9", `device-mapper: remove ioctl on  (254:9) failed: ${GONE}`],
  [
    "remove v",
    "device-mapper: remove ioctl on v  failed: Device or resource busy\nv is in use: it is open 1 times.\nCommand failed.\n",
  ],
  [
    "remove_all",
    "remove_all removes every mapped device that is not open; give --force if that is meant.\n",
  ],
  ["remove_all v --force", "Incorrect number of arguments.\n"],
  ["wipe_table", NOBODY],
  ["wipe_table none", `device-mapper: table ioctl on none  failed: ${GONE}`],
  ["rename", "Incorrect number of arguments.\n"],
  ["rename v", NOBODY],
  ["rename v a b", "Incorrect number of arguments.\n"],
  ["rename v a/b", 'Name "a/b" invalid. It contains "/".\n'],
  ["rename v w", "device-mapper: rename ioctl on v  failed: Device or resource busy\n"],
  ["rename none n", `device-mapper: rename ioctl on none  failed: ${GONE}`],
  ["rename w --setuuid U", "device-mapper: rename ioctl on w  failed: Invalid argument\n"],
  [
    "rename v --setuuid LVM-abc",
    "device-mapper: rename ioctl on v  failed: Device or resource busy\n",
  ],
  ["message", "Incorrect number of arguments.\n"],
  ["message v", "Incorrect number of arguments.\n"],
  ["message v 0", "No message supplied.\n"],
  ["message v x hello", "Invalid sector.\nCommand failed.\n"],
  [
    "message v 0 hello",
    "device-mapper: message ioctl on v  failed: Invalid argument\nlinear takes no messages.\n",
  ],
  [
    "message v 64 hello",
    "device-mapper: message ioctl on v  failed: Invalid argument\nv has no target at sector 64.\n",
  ],
  ["message none 0 hello", `device-mapper: message ioctl on none  failed: ${GONE}`],
  ["wait", NOBODY],
  ["wait v x", '"x" is no number of an event.\n'],
  ["wait none", `device-mapper: waitevent ioctl on none  failed: ${GONE}`],
  ["info none", "Device does not exist.\nCommand failed.\n"],
  ["info -u none", "Device does not exist.\nCommand failed.\n"],
  ["info -c -o none", "Unrecognised field: none\n"],
  ["info -c -O none", "Unrecognised field: none\n"],
  ["info -c -u", "dmsetup: option requires an argument -- 'u'\nCouldn't process command line.\n"],
  ["info -c --count 2", "--count is not done here.\nCouldn't process command line.\n"],
  ["info -c -S minor=x", "Failed to parse numeric value for selection field minor.\n"],
  ["info -c -S uuid>1", "Operator > is none for field uuid, which is text.\n"],
  ["table -S none=x", "Unrecognised selection field: none\nSelection syntax error at 'none=x'.\n"],
  ["table -S name", "Unrecognised comparison operator: \nSelection syntax error at 'name'.\n"],
  ['table -S "name=v w"', "Expecting logical operator\nSelection syntax error at 'w'.\n"],
  ['table -S "(name=v"', "Syntax error: right parenthesis expected at ''\n"],
  ['table -S "name=~(v"', "Missing end quote in the value of selection field name.\n"],
  ["table -S name=~*", "Failed to parse regex value for selection field name.\n"],
  ["suspend -S name=v none", "Device does not exist.\nCommand failed.\n"],
  [
    "remove_all --force -S name=v",
    "--select is not done here for remove_all: it would do it for all.\nCouldn't process command line.\n",
  ],
  ["ls -S name=v", "--select is not done here for ls: it would do it for all.\n"],
  ["setgeometry v 1 2 3 4", "setgeometry is refused: nothing here has a geometry.\n"],
  ["measure", "measure is refused: there is no IMA here that measures tables.\n"],
  ["stats list", "stats is refused: statistics are not kept.\nCommand failed.\n"],
  [
    'create n --notable --table "0 8 zero"',
    "--table and --notable are incompatible.\nCouldn't process command line.\n",
  ],
  ["info /dev/none", "Device /dev/none not found\n"],
  ["table none", `device-mapper: table ioctl on none  failed: ${GONE}`],
  ["status none", "Device does not exist.\nCommand failed.\n"],
  ["deps none", `device-mapper: deps ioctl on none  failed: ${GONE}`],
  ["deps -o none v", "Option not recognised: none.\nCouldn't process command line.\n"],
  ["ls extra", "Incorrect number of arguments.\n"],
  ["ls -o none", "Option not recognised: none.\nCouldn't process command line.\n"],
  ["ls --tree -o none", "Tree options not recognised: none.\nCouldn't process command line.\n"],
  ["ls --none", "dmsetup: unrecognized option '--none'\nCouldn't process command line.\n"],
  ["splitname", "Incorrect number of arguments.\n"],
  ["splitname a b c", "Incorrect number of arguments.\n"],
  ["splitname a -o none", "Unrecognised field: none\n"],
  ["targets extra", "Incorrect number of arguments.\n"],
  ["target-version", "Incorrect number of arguments.\n"],
  [
    "target-version none",
    "device-mapper: target-version ioctl on none  failed: Invalid argument\n",
  ],
  ["version extra", "Incorrect number of arguments.\n"],
  ["udevcomplete", "Incorrect number of arguments.\n"],
  ["udevcreatecookie extra", "Incorrect number of arguments.\n"],
  ["udevreleasecookie a b", "Incorrect number of arguments.\n"],
  ["none", "Unknown command.\n"],
  ["", "dmsetup, as holdfast carries it out"],
];

describe("what is bad or missing changes nothing", () => {
  it.each(BAD)("%s", async (line, stderr) => {
    const m = await machine();
    const before = await state(m);
    const run = await m.run(shellWords(line));
    expect(run.stderr).toContain(stderr);
    expect(run.code).toBe(1);
    expect(await state(m)).toEqual(before);
    const json = await m.run(["--json", ...shellWords(line)]);
    expect(JSON.parse(json.stdout)).toMatchObject({ exitCode: 1 });
  });
});

describe("tables", () => {
  it("come from a file, and from standard input where none is named", async () => {
    const m = new DmsetupMachine();
    const file = join(testFolder("dmsetup"), "table");
    writeFileSync(file, "# two lines\n0 8 zero\n\n8 8 error\n");
    expect((await m.run(["create", "f", file])).code).toBe(0);
    expect((await m.run(["create", "i"], "0 4 error\n")).code).toBe(0);
    expect((await m.run(["create", "--concise"], "c,,,ro,0 8 zero\n")).code).toBe(0);
    expect((await m.run(["table"])).stdout).toBe(
      "c: 0 8 zero \nf: 0 8 zero \nf: 8 8 error \ni: 0 4 error \n",
    );
    writeFileSync(file, "0 8 zero\n8 eight error\n");
    const bad = await m.run(["load", "f", file]);
    expect(bad.stderr).toContain(`Invalid format on line 2 of table ${file}.`);
  });

  it("name devices from where the command is given", async () => {
    const m = new DmsetupMachine();
    await m.run(shellWords('create v --table "0 8 linear ./d1 0"'));
    await m.run(shellWords('create w --table "0 8 linear ../disks/d0 0"'));
    expect((await m.run(["table"])).stdout).toBe(
      "v: 0 8 linear /disks/d1 0\nw: 0 8 linear /disks/d0 0\n",
    );
  });

  it("in one line make the same devices again", async () => {
    const m = await machine();
    await m.run(["create", "a,b;c\\d", "--table", "0 8 zero"]);
    await m.run(["remove", "x"]);
    const { stdout } = await m.run(["table", "--concise"]);
    const again = new DmsetupMachine();
    // Those on top come after what they stand on.
    expect((await again.run(["create", "--concise", stdout])).code).toBe(0);
    expect((await again.run(["table", "--concise"])).stdout).toBe(stdout);
  });

  it("of several devices in one line: those before the bad one stay", async () => {
    const m = new DmsetupMachine();
    const run = await m.run(["create", "--concise", "a,,,,0 8 zero;b,,,,0 8 none;c,,,,0 8 zero"]);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("device-mapper: reload ioctl on b (254:1) failed");
    expect((await m.run(["ls"])).stdout).toBe("a\t(254:0)\n");
  });
});

describe("a device's life", () => {
  it("is shown by info as it goes on", async () => {
    const m = await machine();
    const seen: string[] = [];
    const look = async (): Promise<void> => {
      const { stdout } = await m.run(
        shellWords("info -c --noheadings -o attr,events,tables_loaded v"),
      );
      seen.push(stdout.trim());
    };
    for (const line of [
      "suspend v",
      'load v --table "0 16 error"',
      "clear v",
      'load -r v --table "0 16 error"',
      "resume v",
      "rename v n",
      "rename n v",
    ]) {
      expect((await m.run(shellWords(line))).code).toBe(0);
      if (!line.endsWith(" n")) await look();
    }
    expect(seen).toEqual([
      "L-sw:0:Live",
      "LIsw:0:Both",
      "L-sw:0:Live",
      "LIsw:0:Both",
      "L--r:0:Live",
      "L--r:2:Live",
    ]);
    const info = await m.run(["info", "v"]);
    expect(info.stdout).toContain("State:             ACTIVE (READ-ONLY)\n");
  });

  it("ends at once, when it is closed, or with an error table below those who have it open", async () => {
    const m = await machine();
    expect((await m.run(["remove", "--force", "v"])).code).toBe(1);
    expect((await m.run(["table", "v"])).stdout).toBe("0 64 error \n");
    expect((await m.run(["remove", "--deferred", "v"])).code).toBe(0);
    expect((await m.run(["info", "v"])).stdout).toContain("ACTIVE (DEFERRED REMOVE)");
    expect((await m.run(["remove", "w"])).code).toBe(0);
    expect((await m.run(["ls"])).stdout).toBe("x\t(254:2)\n");
  });

  it("wakes who waits when the number of events changes, and when it is removed", async () => {
    const m = await machine();
    const first = m.host.mappedWait({ device: "w", event: 0 });
    await m.run(["rename", "w", "z"]);
    expect(await first).toBe(1);
    const second = m.host.mappedWait({ device: "z", event: 1 });
    await m.run(["remove", "z"]);
    expect(await second).toBe(2);
    const told = await m.run(["-v", "wait", "v", "5"]);
    expect([told.code, told.stdout.split("\n")[0]]).toEqual([0, "Name:              v"]);
  });
});

it("help is long, and lists every command", async () => {
  const { code, stderr } = await new DmsetupMachine().run(["help"]);
  expect(code).toBe(0);
  for (const { names } of COMMANDS) expect(stderr).toContain(`dmsetup ${names.join("|")}`);
});

describe("ls --exec", () => {
  it("runs the program for each device, which is its last word", async () => {
    const m = await machine();
    const run = await m.run(["ls", "--target", "linear", "--exec", "echo -n a"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(m.programs).toEqual([
      ["echo", "-n", "a", "/dev/mapper/v"],
      ["echo", "-n", "a", "/dev/mapper/w"],
    ]);
    expect((await m.run(["ls", "--exec", " "])).code).toBe(1);
  });

  it("goes on when the program is not there, and says so", async () => {
    const { code, stderr } = await (await machine()).run(["ls", "--exec", "/no/such"]);
    expect(code).toBe(0);
    expect(stderr.match(/no\/such: /g)).toHaveLength(3);
  });
});

it("remove_all --deferred leaves what is open until nobody has it open", async () => {
  const m = await machine();
  const end = m.host.use("dm-1");
  expect((await m.run(["remove_all", "--force", "--deferred"])).code).toBe(0);
  // What w stands on is open as well.
  expect((await m.run(["ls"])).stdout).toBe("v\t(254:0)\nw\t(254:1)\n");
  end();
  await vi.waitFor(async () => {
    expect((await m.run(["ls"])).stdout).toBe("No devices found\n");
  });
});
