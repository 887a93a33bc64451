import { describe, expect, it } from "vitest";
import {
  claims,
  matchConfig,
  matchesPattern,
  sameArrayName,
  sameDeviceName,
} from "./config-match.ts";
import { configLines, parseConfig } from "./config.ts";

const UUID = "01234567:89abcdef:fedcba98:76543210";

describe("words and lines", () => {
  it("groups by quotes, stops at #, goes on in indented lines", () => {
    const text = [
      "# comment",
      "DEVICE /dev/sd[ab] 'with blank' a#b # rest",
      "\t/dev/sdc",
      "",
      ' "/dev/s"dd',
      'MAILADDR "me@there"x',
    ].join("\n");
    expect(configLines(text)).toEqual([
      ["DEVICE", "/dev/sd[ab]", "with blank", "a#b", "/dev/sdc", "/dev/sdd"],
      ["MAILADDR", "me@therex"],
    ]);
  });

  it("takes keywords in any case and shortened to three letters", () => {
    const config = parseConfig(
      "dev a\nDEVICES b\nArr /dev/md0 UUID=0:1\nmailad me\nde c\nHOME h\n",
    );
    expect(config.devices).toEqual(["a", "b"]);
    expect(config.mailAddress).toBe("me");
    expect(config.homehost).toBe("h");
    expect(config.messages).toContain("Unknown keyword de");
    expect(parseConfig("").devices).toEqual(["partitions", "containers"]);
  });
});

describe("ARRAY", () => {
  it("reads the identity in any case, over several lines", () => {
    const text = `ARRAY /dev/md0 metadata=1.2\n  uuid=${UUID.toUpperCase()} num-devices=3\n   devices=/dev/sda,/dev/sdb spares=1 NAME=h:n level=raid5`;
    expect(parseConfig(text).arrays).toMatchObject([
      {
        device: "/dev/md0",
        uuid: UUID,
        metadata: { kind: "native", version: "1.2" },
        raidDisks: 3,
        spareDisks: 1,
        devices: ["/dev/sda", "/dev/sdb"],
        name: "h:n",
        level: "raid5",
      },
    ]);
  });

  it("drops lines without identity, keeps <ignore>, says what it did not understand", () => {
    const config = parseConfig(
      "ARRAY /dev/md0 level=1\nARRAY <ignore> super-minor=3\nARRAY foo uuid=xyz super-minor=1 super-minor=2 what=3\n",
    );
    expect(config.arrays.map(({ device, superMinor }) => [device, superMinor])).toEqual([
      ["<ignore>", 3],
      ["foo", 1],
    ]);
    expect(config.messages).toHaveLength(4);
  });
});

describe("the other lines", () => {
  it("CREATE, POLICY, SYSFS, AUTO, MAILFROM, PROGRAM, MONITORDELAY, several files", () => {
    const config = parseConfig(
      "CREATE owner=root mode=0660 metadata=1.0 names=yes bbl=no\nPOLICY domain=d action=spare\nSYSFS name=x sync_speed_max=9\n",
      "AUTO +1.x homehost -all\nMAILFROM a b\nPROGRAM /p\nMONITORDELAY 9\nHOMECLUSTER c\nPROBING x\n",
    );
    expect(config.create).toEqual({
      metadata: { kind: "native", version: "1.0" },
      owner: "root",
      group: null,
      mode: 0o660,
      names: true,
      badBlockLog: false,
    });
    expect(config.policies[0]!.get("action")).toBe("spare");
    expect(config.sysfs[0]!.get("sync_speed_max")).toBe("9");
    expect(config).toMatchObject({ auto: ["+1.x", "homehost", "-all"], mailFrom: "a b" });
    expect(config).toMatchObject({ program: "/p", monitorDelaySeconds: 9, homeCluster: "c" });
    expect(config.messages).toEqual([]);
  });
});

describe("matching", () => {
  const found = { path: "/dev/sda", uuid: UUID, name: "host:data", superMinor: null };

  it("wants everything that a line says", () => {
    const lines = parseConfig(
      `ARRAY a uuid=${UUID}\nARRAY b uuid=${UUID} devices=/dev/nvme*\nARRAY c super-minor=1\n`,
    ).arrays;
    expect(lines.map((line) => claims(line, found))).toEqual([true, false, false]);
    expect(matchConfig(lines, found)).toMatchObject({ kind: "one", line: { device: "a" } });
    const twice = parseConfig(`ARRAY a uuid=${UUID}\nARRAY b devices=/dev/sd?\n`).arrays;
    expect(matchConfig(twice, found).kind).toBe("ambiguous");
    expect(matchConfig(lines, { ...found, uuid: "" }).kind).toBe("none");
  });

  it("compares device names, array names and patterns", () => {
    expect(sameDeviceName("/dev/md/0", "md0")).toBe(true);
    expect(sameDeviceName("/dev/md0", "0")).toBe(true);
    expect(sameDeviceName("/dev/md/data", "data")).toBe(true);
    expect(sameDeviceName("/dev/md1", "/dev/md/0")).toBe(false);
    expect(sameArrayName("data", "host:data", "host", true)).toBe(true);
    expect(sameArrayName("data", "host:data", "other", true)).toBe(false);
    expect(sameArrayName("data", "host:data", "other", false)).toBe(true);
    expect(sameArrayName("data", null, "host", true)).toBe(false);
    expect(matchesPattern("/dev/sd[a-c]*", "/dev/sdb1")).toBe(true);
    expect(matchesPattern("/dev/*", "/dev/md/x")).toBe(false);
    expect(matchesPattern("/dev/sd[!a]", "/dev/sda")).toBe(false);
    expect(matchesPattern("/dev/[z-a]", "/dev/b")).toBe(false);
    expect(matchesPattern("/dev/[a", "/dev/[a")).toBe(true);
  });
});
