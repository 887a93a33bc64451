/**
 * Outside NBD clients against the server, on a memory disk with known bytes: libnbd's tools, qemu's, fio. They are
 * the judges of the protocol; what they read is compared with what the device holds.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { HoldfastError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import { readOnly } from "../../src/block/read-only.ts";
import type { SocketAddress } from "../../src/env/sockets.ts";
import type { NbdServer } from "../../src/nbd/server.ts";
import { ArrayDevice } from "../support/array-device.ts";
import { describeBackends } from "../support/backends.ts";
import { bytesOf, run, runWell, seededDisk, withNbdServer } from "../support/nbd-server.ts";
import { peerDescribe, peerTest } from "../support/peers.ts";
import { testFolder } from "../support/temp.ts";

const MIB = 2048;
const ADDRESSES = ["unix", "tcp"] as const;

function addressOf(kind: (typeof ADDRESSES)[number], folder: string): SocketAddress {
  if (kind === "unix") return { kind: "unix", path: join(folder, "nbd.sock") };
  return { kind: "tcp", host: "127.0.0.1", port: 0 };
}

/** 8 MiB: data in 0..1 MiB and 3..4 MiB, an odd run of sectors, the rest holes. */
function disk() {
  return seededDisk(8 * MIB, 1, [
    [0, MIB],
    [3 * MIB, MIB],
    [5 * MIB + 8, 16],
  ]);
}

describeBackends(({ env }) => {
  async function served(
    device: BlockDevice,
    kind: (typeof ADDRESSES)[number],
    use: (uri: string, folder: string, server: NbdServer) => Promise<void>,
  ): Promise<void> {
    const folder = testFolder("nbd");
    const exports = [{ name: "vol", description: "a volume", device }];
    await withNbdServer(env, { listen: addressOf(kind, folder), exports }, async (server) => {
      await use(server.uri("vol"), folder, server);
      expect(server.stats.dropped).toBe(0);
    });
  }

  peerDescribe(["nbdinfo"], "nbdinfo", () => {
    for (const kind of ADDRESSES) {
      peerTest(["nbdinfo"], `tells what is known of an export over ${kind}`, async () => {
        await served(disk(), kind, async (uri) => {
          const info = JSON.parse(await runWell("nbdinfo", ["--json", uri])) as {
            protocol: string;
            exports: Record<string, unknown>[];
          };
          expect(info.protocol).toBe("newstyle-fixed");
          expect(info.exports).toHaveLength(1);
          expect(info.exports[0]).toMatchObject({
            "export-name": "vol",
            description: "a volume",
            "export-size": 8 * 1024 * 1024,
            contexts: ["base:allocation"],
            is_read_only: false,
            can_cache: true,
            can_df: true,
            can_fast_zero: true,
            can_flush: true,
            can_fua: true,
            can_multi_conn: true,
            can_trim: true,
            can_zero: true,
            block_size_minimum: 1,
            block_size_preferred: 4096,
            block_size_maximum: 32 * 1024 * 1024,
          });
        });
      });
    }

    peerTest(["nbdinfo"], "says that a read-only export can do nothing else", async () => {
      await served(readOnly(disk()), "unix", async (uri) => {
        const info = JSON.parse(await runWell("nbdinfo", ["--json", uri])) as {
          exports: Record<string, unknown>[];
        };
        expect(info.exports[0]).toMatchObject({
          is_read_only: true,
          can_fua: false,
          can_trim: false,
          can_zero: false,
          can_fast_zero: false,
          can_flush: true,
          can_multi_conn: true,
        });
        expect((await run("nbdinfo", ["--can", "write", uri])).code).not.toBe(0);
        expect((await run("nbdinfo", ["--is", "read-only", uri])).code).toBe(0);
      });
    });

    peerTest(["nbdinfo"], "lists several exports with their descriptions", async () => {
      const folder = testFolder("nbd");
      const exports = [
        { name: "", description: "the default", device: disk() },
        { name: "zwei drei/vier", device: seededDisk(2, 3, []) },
        { name: "größe", device: seededDisk(1, 3, []) },
      ];
      await withNbdServer(env, { listen: addressOf("unix", folder), exports }, async (server) => {
        const list = JSON.parse(await runWell("nbdinfo", ["--list", "--json", server.uri("")])) as {
          exports: Record<string, unknown>[];
        };
        expect(list.exports.map((one) => [one["export-name"], one["export-size"]])).toEqual([
          ["", 8 * 1024 * 1024],
          ["zwei drei/vier", 1024],
          ["größe", 512],
        ]);
        expect(list.exports[0]).toMatchObject({ description: "the default" });
        expect(await runWell("nbdinfo", ["--size", server.uri("zwei drei/vier")])).toBe("1024\n");
        expect(await runWell("nbdinfo", ["--size", server.uri("größe")])).toBe("512\n");
        const unknown = await run("nbdinfo", [server.uri("nobody")]);
        expect(unknown.code).not.toBe(0);
        expect(unknown.stderr).toContain("No such file or directory for export: nobody");
      });
    });

    peerTest(["nbdinfo"], "maps data and holes", async () => {
      await served(disk(), "tcp", async (uri) => {
        const map = JSON.parse(await runWell("nbdinfo", ["--map", "--json", uri])) as {
          offset: number;
          length: number;
          type: number;
        }[];
        const kib = map.map(({ offset, length, type }) => [offset / 1024, length / 1024, type]);
        expect(kib).toEqual([
          [0, 1024, 0],
          [1024, 2048, 3],
          [3072, 1024, 0],
          [4096, 1028, 3],
          [5124, 8, 0],
          [5132, 3060, 3],
        ]);
      });
    });
  });

  peerDescribe(["nbdcopy"], "nbdcopy", () => {
    for (const kind of ADDRESSES) {
      peerTest(["nbdcopy"], `copies a volume out over ${kind}`, async () => {
        const device = disk();
        await served(readOnly(device), kind, async (uri, folder) => {
          const out = join(folder, "out");
          await runWell("nbdcopy", [uri, out]);
          expect(readFileSync(out).equals(bytesOf(device))).toBe(true);
          // Holes were not sent: the file is sparse.
          expect(statSync(out).blocks).toBeLessThan(8 * MIB);
        });
      });

      peerTest(["nbdcopy"], `copies a file in over ${kind}`, async () => {
        const device = seededDisk(8 * MIB, 9, [[0, 8 * MIB]]);
        await served(device, kind, async (uri, folder) => {
          const file = join(folder, "in");
          const bytes = bytesOf(disk());
          writeFileSync(file, bytes);
          await runWell("nbdcopy", ["--flush", "--connections=4", file, uri]);
          expect(bytesOf(device).equals(bytes)).toBe(true);
        });
      });
    }

    peerTest(["nbdcopy"], "copies from one export to another, with odd request sizes", async () => {
      const from = disk();
      const to = seededDisk(8 * MIB, 9, [[0, 8 * MIB]]);
      const folder = testFolder("nbd");
      const exports = [
        { name: "from", device: readOnly(from) },
        { name: "to", device: to },
      ];
      await withNbdServer(env, { listen: addressOf("unix", folder), exports }, async (server) => {
        const sizes = ["--request-size=65536", "--requests=64", "--sparse=4096"];
        await runWell("nbdcopy", [...sizes, server.uri("from"), server.uri("to")]);
        expect(bytesOf(to).equals(bytesOf(from))).toBe(true);
        await runWell("nbdcopy", ["--synchronous", server.uri("from"), server.uri("to")]);
        expect(bytesOf(to).equals(bytesOf(from))).toBe(true);
      });
    });

    peerTest(["nbdcopy"], "is told when a volume is read-only", async () => {
      await served(readOnly(disk()), "unix", async (uri, folder) => {
        const file = join(folder, "in");
        writeFileSync(file, Buffer.alloc(4096, 1));
        const { code, stderr } = await run("nbdcopy", [file, uri]);
        expect(code).not.toBe(0);
        expect(stderr).toMatch(/read-only|not permitted|write/i);
      });
    });
  });

  peerDescribe(["qemu-img", "qemu-io"], "qemu", () => {
    for (const kind of ADDRESSES) {
      peerTest(["qemu-img"], `reads, compares and maps over ${kind}`, async () => {
        const device = disk();
        await served(readOnly(device), kind, async (uri, folder) => {
          const info = JSON.parse(await runWell("qemu-img", ["info", "--output=json", uri])) as {
            "virtual-size": number;
          };
          expect(info["virtual-size"]).toBe(8 * 1024 * 1024);
          const raw = join(folder, "out.raw");
          const qcow = join(folder, "out.qcow2");
          await runWell("qemu-img", ["convert", "-f", "raw", "-O", "raw", uri, raw]);
          expect(readFileSync(raw).equals(bytesOf(device))).toBe(true);
          await runWell("qemu-img", [
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "-m",
            "16",
            "-W",
            uri,
            qcow,
          ]);
          await runWell("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", uri, qcow]);
          const map = JSON.parse(
            await runWell("qemu-img", ["map", "--output=json", "-f", "raw", uri]),
          ) as { start: number; length: number; zero: boolean }[];
          expect(map.map((one) => [one.start / 1024, one.length / 1024, one.zero])).toEqual([
            [0, 1024, false],
            [1024, 2048, true],
            [3072, 1024, false],
            [4096, 1028, true],
            [5124, 8, false],
            [5132, 3060, true],
          ]);
        });
      });
    }

    peerTest(["qemu-img"], "converts into an export", async () => {
      const device = seededDisk(8 * MIB, 4, [[0, 8 * MIB]]);
      await served(device, "unix", async (uri, folder) => {
        const bytes = bytesOf(disk());
        const file = join(folder, "in");
        writeFileSync(file, bytes);
        await runWell("qemu-img", ["convert", "-n", "-f", "raw", "-O", "raw", file, uri]);
        expect(bytesOf(device).equals(bytes)).toBe(true);
      });
    });

    peerTest(["qemu-io"], "reads, writes with FUA, zeroes and discards at odd places", async () => {
      const device = disk();
      const expected = bytesOf(device);
      await served(device, "tcp", async (uri) => {
        const commands = [
          "write -P 0x11 -f 4096 8192",
          "write -P 0x22 513 1000",
          "write -z -f 65536 65536",
          "write -z -u 131072 4096",
          "write -P 0x33 1048575 2",
          "discard 262144 65536",
          "flush",
          "read -P 0x11 4096 8192",
          "read -P 0x22 513 1000",
          "read -P 0 65536 65536",
          "read -P 0x33 1048575 2",
          "aio_write -P 0x44 2097152 1048576",
          "aio_flush",
          "read -P 0x44 2097152 1048576",
        ];
        const args = commands.flatMap((command) => ["-c", command]);
        const out = await runWell("qemu-io", ["-f", "raw", ...args, uri]);
        expect(out).not.toMatch(/verification failed|error/i);
        expected.fill(0x11, 4096, 12288);
        expected.fill(0x22, 513, 1513);
        expected.fill(0, 65536, 131072);
        expected.fill(0, 131072, 135168);
        expected.fill(0x33, 1048575, 1048577);
        expected.fill(0, 262144, 327680);
        expected.fill(0x44, 2097152, 3145728);
        expect(bytesOf(device).equals(expected)).toBe(true);
      });
    });

    peerTest(["qemu-io"], "is refused writes to a read-only export", async () => {
      await served(readOnly(disk()), "unix", async (uri) => {
        const { stdout, stderr } = await run("qemu-io", ["-f", "raw", "-c", "write 0 512", uri]);
        expect(stdout + stderr).toMatch(/permission denied/i);
        expect(await runWell("qemu-io", ["-r", "-f", "raw", "-c", "read 0 512", uri])).toContain(
          "read 512/512",
        );
      });
    });
  });

  peerDescribe(["fio"], "fio", () => {
    for (const kind of ADDRESSES) {
      peerTest(["fio"], `verifies what it wrote over ${kind}`, async () => {
        const device = seededDisk(8 * MIB, 5, []);
        await served(device, kind, async (uri, folder, server) => {
          const options = [
            "--name=verify",
            "--ioengine=nbd",
            `--uri=${uri}`,
            "--rw=randwrite",
            "--bsrange=512-64k",
            "--blockalign=512",
            "--size=8m",
            "--iodepth=32",
            "--verify=crc32c",
            "--verify_state_save=0",
            "--verify_fatal=1",
            "--randseed=7",
            "--output-format=json",
          ];
          const out = await runWell("fio", options, { env: { TMPDIR: folder } });
          const report = JSON.parse(out.slice(out.indexOf("{"))) as { jobs: { error: number }[] };
          expect(report.jobs.map((job) => job.error)).toEqual([0]);
          expect(server.stats.failed).toBe(0);
        });
      });
    }
  });

  /** libnbd's Python module belongs to Debian's Python, which need not be the first on the PATH. */
  function debianPath(): NodeJS.ProcessEnv {
    return { PATH: `/usr/bin:${process.env["PATH"]}` };
  }

  function nbdsh(uri: string, script: string): Promise<string> {
    const args = ["--base-allocation", "-u", uri, "-c", script];
    return runWell("nbdsh", args, { env: debianPath() });
  }

  peerDescribe(["nbdsh"], "libnbd", () => {
    peerTest(
      ["nbdsh"],
      "has everything it asks for agreed on, and the errors it expects",
      async () => {
        const device = disk();
        await served(device, "unix", async (uri) => {
          const script = `
import errno
assert h.get_protocol() == "newstyle-fixed"
assert h.get_structured_replies_negotiated()
def fails(code, f, *args):
    try:
        f(*args)
    except nbd.Error as e:
        assert e.errnum == code, (e.errnum, code)
        return
    assert False, "no error"
h.set_strict_mode(0)
size = h.get_size()
fails(errno.EINVAL, h.pread, 512, size)
fails(errno.ENOSPC, h.pwrite, bytearray(512), size)
fails(errno.ENOSPC, h.zero, 512, size)
fails(errno.EINVAL, h.trim, 512, size)
fails(errno.EINVAL, h.pread, 512, 0, 0x40)
fails(errno.EINVAL, h.block_status, 512, size, lambda *a: 0)
assert len(h.pread(65536, 0, nbd.CMD_FLAG_DF)) == 65536
h.pwrite(b"x" * 777, 333, nbd.CMD_FLAG_FUA)
assert h.pread(777, 333) == b"x" * 777
h.zero(4096, 0, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)
h.cache(4096, 0)
h.flush()
entries = []
h.block_status(65536, 1048576, lambda c, o, e, err: entries.append((c, o, e)), nbd.CMD_FLAG_REQ_ONE)
assert entries == [("base:allocation", 1048576, [65536, 3])], entries
`;
          await nbdsh(uri, script);
          expect(bytesOf(device).subarray(4096, 8192).equals(Buffer.alloc(4096))).toBe(false);
        });
      },
    );

    peerTest(["nbdsh"], "sees data and holes of a structured read as they are", async () => {
      await served(readOnly(disk()), "tcp", async (uri) => {
        const script = `
chunks = []
def f(buf, offset, status, err):
    chunks.append((offset, len(buf), status))
h.pread_structured(1024 * 1024, 512 * 1024, f)
chunks.sort()
assert chunks == [(524288, 524288, nbd.READ_DATA), (1048576, 524288, nbd.READ_HOLE)], chunks
chunks = []
h.pread_structured(1024 * 1024, 512 * 1024, f, nbd.CMD_FLAG_DF)
assert chunks == [(524288, 1048576, nbd.READ_DATA)], chunks
`;
        await nbdsh(uri, script);
      });
    });

    peerTest(["nbdsh"], "does random work on several connections as one array does", async () => {
      const device = seededDisk(2 * MIB, 6, [[0, 2 * MIB]]);
      await served(device, "unix", async (uri) => {
        const seed = new Prng(42).below(1 << 30);
        const script = `
import random
random.seed(${seed})
hs = [h] + [nbd.NBD() for _ in range(3)]
for x in hs[1:]:
    x.connect_uri("${uri}")
shadow = bytearray(h.pread(h.get_size(), 0))
for i in range(400):
    x = random.choice(hs)
    n = random.randint(1, 100000)
    o = random.randint(0, len(shadow) - n)
    k = random.random()
    if k < 0.4:
        b = random.randbytes(n)
        x.pwrite(b, o)
        shadow[o:o+n] = b
    elif k < 0.55:
        x.zero(n, o)
        shadow[o:o+n] = bytes(n)
    else:
        assert x.pread(n, o) == shadow[o:o+n], (i, n, o)
for x in hs[1:]:
    assert x.pread(len(shadow), 0) == shadow
    x.shutdown()
`;
        await nbdsh(uri, script);
      });
    });

    peerTest(["nbdsh"], "haggles as long as it likes", async () => {
      const folder = testFolder("nbd");
      const exports = [
        { name: "a", description: "first", device: disk() },
        { name: "b", device: readOnly(seededDisk(8, 2, [])) },
      ];
      await withNbdServer(env, { listen: addressOf("unix", folder), exports }, async (server) => {
        const script = `
import nbd
h = nbd.NBD()
h.set_opt_mode(True)
h.add_meta_context("base:allocation")
h.connect_uri("${server.uri("a")}")
names = []
assert h.opt_list(lambda n, d: names.append((n, d))) == 2
assert names == [("a", "first"), ("b", "")], names
contexts = []
assert h.opt_list_meta_context(lambda c: contexts.append(c)) == 1
h.clear_meta_contexts()
h.add_meta_context("x-none:")
assert h.opt_list_meta_context(lambda c: contexts.append(c)) == 0
h.clear_meta_contexts()
assert h.opt_list_meta_context(lambda c: contexts.append(c)) == 1
assert contexts == ["base:allocation"] * 2, contexts
h.add_meta_context("base:allocation")
h.opt_info()
assert h.get_size() == ${8 * 1024 * 1024} and not h.is_read_only()
h.set_export_name("nobody")
for f in (h.opt_info, h.opt_go):
    try:
        f()
        assert False
    except nbd.Error as e:
        assert e.errno == "ENOENT", e.errno
h.set_export_name("b")
h.opt_info()
assert h.get_size() == 4096 and h.is_read_only()
assert h.get_canonical_export_name() == "b" if h.get_full_info() else True
h.opt_go()
assert h.can_meta_context("base:allocation")
h.shutdown()
h = nbd.NBD()
h.set_opt_mode(True)
h.connect_uri("${server.uri("a")}")
h.opt_abort()
`;
        await runWell("nbdsh", ["-n", "-c", script], { env: debianPath() });
        expect(server.stats.dropped).toBe(0);
      });
    });

    peerTest(
      ["nbdsh"],
      "lives without structured replies and with the oldest options",
      async () => {
        await served(readOnly(disk()), "unix", async (uri) => {
          const script = `
import nbd
for flags in (0, nbd.HANDSHAKE_FLAG_FIXED_NEWSTYLE, nbd.HANDSHAKE_FLAG_NO_ZEROES):
    h = nbd.NBD()
    h.set_handshake_flags(flags)
    h.set_request_structured_replies(False)
    h.connect_uri("${uri}")
    assert not h.get_structured_replies_negotiated()
    assert h.get_size() == ${8 * 1024 * 1024}
    assert len(h.pread(1 << 20, 3)) == 1 << 20
    h.shutdown()
`;
          await runWell("nbdsh", ["-n", "-c", script], { env: debianPath() });
        });
      },
    );
  });

  peerDescribe(["nbdkit", "nbdcopy", "nbdinfo"], "nbdkit", () => {
    peerTest(["nbdkit", "nbdcopy"], "passes an export on, data and map", async () => {
      const device = disk();
      await served(readOnly(device), "unix", async (uri, folder) => {
        const out = join(folder, "out");
        const copy = `nbdcopy "$uri" ${out} && nbdinfo --map=base:allocation --totals "$uri"`;
        const totals = await runWell("nbdkit", ["-U", "-", "nbd", `uri=${uri}`, "--run", copy]);
        expect(readFileSync(out).equals(bytesOf(device))).toBe(true);
        expect(totals).toMatch(/2105344\s+25\.1%\s+0\s+data/);
      });
    });
  });

  peerDescribe(["nbdcopy"], "a disk that fails", () => {
    peerTest(["nbdcopy"], "makes a copy fail, and no other", async () => {
      const broken = new ArrayDevice(8 * MIB, {
        readOnly: true,
        discard: false,
        writeZeroes: false,
      });
      broken.fault = (bio) =>
        bio.sector + bio.sectors > 4096
          ? new HoldfastError("data-lost", "Two disks are gone.")
          : null;
      await served(broken, "unix", async (uri, folder, server) => {
        const { code, stderr } = await run("nbdcopy", [uri, join(folder, "out")]);
        expect(code).not.toBe(0);
        expect(stderr).toMatch(/Input\/output error/);
        const script = "assert h.pread(4096, 0) == bytes(4096)";
        await nbdsh(server.uri("vol"), script);
      });
    });
  });
});
