/** mdadm's tests 04*: superblocks are changed when an array is assembled. */
import { describe, expect, it } from "vitest";
import { Machine } from "./machine.ts";

const UUID = "0123456789abcdef:fedcba9876543210";
const SHOWN = "01234567:89abcdef:fedcba98:76543210";

describe("04r0update", () => {
  it("changes the preferred minor when told to", async () => {
    const m = new Machine();
    await m.ok("-CR -e0.90 $md0 -llinear -n3 $0 $1 $2");
    const minor = async (): Promise<string> =>
      /Preferred Minor : (\d+)/.exec((await m.ok("-E $0")).stdout)?.[1] ?? "";
    expect(await minor()).toBe("0");
    await m.ok("-S $md0");
    await m.ok("-A $md1 $0 $1 $2");
    expect(await minor()).toBe("0");
    await m.ok("-S $md1");
    await m.ok("-A $md1 --update=super-minor $0 $1 $2");
    expect(await minor()).toBe("1");
  });
});

describe("04r1update", () => {
  it("resyncs when told to", async () => {
    const m = new Machine();
    await m.ok("-CR $md0 --level 1 -n2 $0 $1");
    await m.wait();
    await m.ok("-S $md0");
    await m.ok("-A $md0 $0 $1");
    await m.noSync();
    await m.ok("-S $md0");
    await m.ok("-A $md0 -U resync $0 $1");
    await m.syncing("resync");
  });
});

describe("04update-metadata", () => {
  it("is refused for 1.0, for what is not clean, and with a bitmap", async () => {
    const m = new Machine();
    await m.ok("-CR --assume-clean -e 1.0 $md0 --level raid5 -n 4 $*3");
    await m.ok("-S $md0");
    await m.fails("-A $md0 --update=metadata $*3");
    await m.ok("-CR -f -e 0.90 $md0 --level raid5 -n 4 $*3");
    await m.syncing("resync");
    await m.ok("-S $md0");
    await m.fails("-A $md0 --update=metadata $*3");
    await m.ok("-CR --assume-clean -e 0.90 $md0 -l5 -n4 --bitmap=internal $*3");
    await m.ok("-S $md0");
    await m.fails("-A $md0 --update=metadata $*3");
    expect(await m.host.arrays()).toEqual([]);
  });
});

describe("04update-uuid", () => {
  it.each(["", "-e0.90", "-e1.0", "-e1.1", "-e1.2"])("%s", async (metadata) => {
    const m = new Machine();
    await m.ok(`-CR ${metadata} --assume-clean $md0 -l5 -n3 $0 $1 $2`);
    await m.ok("-S $md0");
    await m.silently(`-A $md0 --update=uuid --uuid=${UUID} $0 $1 $2`);
    await m.noSync();
    expect((await m.ok("-D $md0")).stdout).toContain(SHOWN);
    await m.ok("-S $md0");
    await m.silently(`-A $md0 --uuid=${UUID} $0 $1 $2`);
  });

  it.each(["", "-e1.0", "-e1.1"])("with a bitmap: %s", async (metadata) => {
    const m = new Machine();
    await m.ok(`-CR ${metadata} --assume-clean --bitmap=internal $md0 -l5 -n3 $0 $1 $2`);
    await m.ok("-S $md0");
    await m.silently(`-A $md0 --update=uuid --uuid=${UUID} $0 $1 $2`);
    await m.noSync();
    expect((await m.ok("-D $md0")).stdout).toContain(SHOWN);
    expect((await m.ok("-X $0")).stdout).toContain(SHOWN);
  });
});
