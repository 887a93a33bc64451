/**
 * `bin/holdfast open` on disks that the kernel wrote, used as its users do: with nbdinfo, nbdcopy, qemu-img, qemu-io, fio and
 * e2fsck, over unix sockets, TCP and TLS. What clients read has the sha256 that the kernel read, and whatever they do, no disk
 * changes by a byte.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { makeCertificates } from "../support/certificates.ts";
import { goldenCase, sha256, unpackToFolder } from "../support/golden.ts";
import type { GoldenCase, UnpackedCase } from "../support/golden.ts";
import { run, runWell } from "../support/nbd-server.ts";
import { peerTest } from "../support/peers.ts";
import { HOLDFAST, serve, whileServed } from "../support/served.ts";
import type { Backend } from "../support/served.ts";
import { testFolder } from "../support/temp.ts";

interface Disks {
  readonly golden: GoldenCase;
  readonly unpacked: UnpackedCase;
}

function useCase(name: string): () => Disks {
  const golden = goldenCase(name);
  let unpacked: UnpackedCase | null = null;
  beforeAll(() => {
    unpacked = unpackToFolder(golden);
  });
  afterAll(() => unpacked?.remove());
  return () => ({ golden, unpacked: unpacked! });
}

function expectUnchanged({ golden, unpacked }: Disks): void {
  const digests = unpacked.disks.map((path) => sha256(readFileSync(path)));
  expect(digests).toEqual(golden.members.map((member) => member.sha256));
}

/** What the kernel read from the whole set. */
function kernelRead(golden: GoldenCase): { bytes: number; sha256: string } {
  return golden.views.find((view) => view.name === "all")!.volumes["volume"]!;
}

/** All disks but one: everything read is rebuilt in part. */
function degraded({ unpacked }: Disks): readonly string[] {
  return unpacked.disks.filter((_path, index) => index !== 1);
}

const BACKENDS: readonly Backend[] = ["best", "node"];

type Listening = "unix" | "tcp" | "tls-x509" | "tls-psk";

/** Options of open for one way to listen, and what clients need beside the URI. */
async function listening(
  kind: Listening,
  folder: string,
): Promise<{ options: readonly string[]; clientUri: (uri: string) => string }> {
  switch (kind) {
    case "unix":
      return { options: [], clientUri: (uri) => uri };
    case "tcp":
      return { options: ["--nbd", "nbd://127.0.0.1:0"], clientUri: (uri) => uri };
    case "tls-x509": {
      await makeCertificates(folder);
      const options = ["--nbd", "nbds://127.0.0.1:0", "--tls-certificates", folder];
      return {
        options: [...options, "--tls-required"],
        clientUri: (uri) => `${uri}?tls-certificates=${folder}`,
      };
    }
    case "tls-psk": {
      const file = join(folder, "keys.psk");
      writeFileSync(file, `alice:${randomBytes(32).toString("hex")}\n`);
      const options = ["--nbd", "nbds://127.0.0.1:0", "--tls-psk", file, "--tls-required"];
      return {
        options,
        clientUri: (uri) => `${uri.replace("://", "://alice@")}?tls-psk-file=${file}`,
      };
    }
  }
}

describe.each(BACKENDS)("a degraded raid5 with ext4, backend %s", (backend) => {
  const disks = useCase("raid5-4-ext4");

  for (const kind of ["unix", "tcp", "tls-x509", "tls-psk"] as const) {
    peerTest(["nbdinfo", "nbdcopy", "openssl"], `nbdinfo and nbdcopy over ${kind}`, async () => {
      const folder = testFolder("open");
      const { options, clientUri } = await listening(kind, folder);
      await whileServed([...options, ...degraded(disks())], backend, async (serverUri) => {
        const uri = clientUri(serverUri);
        const info = JSON.parse(await runWell("nbdinfo", ["--json", uri])) as {
          TLS: boolean;
          exports: Record<string, unknown>[];
        };
        expect(info.TLS).toBe(kind.startsWith("tls"));
        expect(info.exports[0]).toMatchObject({
          "export-size": kernelRead(disks().golden).bytes,
          is_read_only: true,
          can_multi_conn: true,
        });
        const copy = join(folder, "copy.img");
        await runWell("nbdcopy", [uri, copy]);
        expect(sha256(readFileSync(copy))).toBe(kernelRead(disks().golden).sha256);
        // Nothing can be written.
        const refused = await run("nbdcopy", ["--", copy, uri]);
        expect(refused.code).not.toBe(0);
      });
      expectUnchanged(disks());
    });
  }

  peerTest(["qemu-img"], "qemu-img converts and compares", async () => {
    const copy = join(testFolder("open"), "copy.qcow2");
    await whileServed(
      ["--nbd", "nbd://127.0.0.1:0", ...degraded(disks())],
      backend,
      async (uri) => {
        await runWell("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", uri, copy]);
        await runWell("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", uri, copy]);
      },
    );
    expectUnchanged(disks());
  });

  peerTest(["e2fsck"], "e2fsck finds a dump of it clean", async () => {
    const dump = join(testFolder("open"), "dump.img");
    await runWell(HOLDFAST, ["dump", ...degraded(disks()), "-o", dump]);
    expect(sha256(readFileSync(dump))).toBe(kernelRead(disks().golden).sha256);
    await runWell("e2fsck", ["-fn", dump]);
    expectUnchanged(disks());
  });
});

describe.each(BACKENDS)("an overlay, backend %s", (backend) => {
  const disks = useCase("raid6-5-ls-c64");
  const two = (): readonly string[] => disks().unpacked.disks.slice(2);

  for (const place of ["memory", "files"] as const) {
    const overlay = (): readonly string[] =>
      place === "memory" ? ["--overlay"] : [`--overlay=${testFolder("overlay")}`];

    peerTest(["nbdcopy"], `takes a whole copy, kept in ${place}`, async () => {
      const folder = testFolder("open");
      const source = join(folder, "source.img");
      writeFileSync(source, randomBytes(kernelRead(disks().golden).bytes));
      const back = join(folder, "back.img");
      await whileServed([...two(), ...overlay()], backend, async (uri) => {
        await runWell("nbdcopy", ["--flush", source, uri]);
        await runWell("nbdcopy", [uri, back]);
      });
      expect(sha256(readFileSync(back))).toBe(sha256(readFileSync(source)));
      expectUnchanged(disks());
    });

    peerTest(["fio"], `is verified by fio, kept in ${place}`, async () => {
      const folder = testFolder("open");
      await whileServed([...two(), ...overlay()], backend, async (uri) => {
        const job = ["--name=verify", "--ioengine=nbd", `--uri=${uri}`, "--rw=randwrite"];
        const load = ["--bsrange=512-64k", "--iodepth=16", "--size=16m", "--io_size=24m"];
        const check = [
          "--verify=crc32c",
          "--verify_fatal=1",
          "--verify_state_save=0",
          "--fsync=50",
        ];
        await runWell("fio", [...job, ...load, ...check, `--aux-path=${folder}`]);
      });
      expectUnchanged(disks());
    });
  }

  peerTest(["qemu-io"], "takes qemu-io's writes, zeroes, discards and FUA", async () => {
    await whileServed([...two(), "--overlay"], backend, async (uri) => {
      const commands = [
        "write -P 0xa5 512 3k",
        "write -f -P 0x5a 1M 65k",
        "write -z 1M 16k",
        "discard 2M 64k",
        "flush",
        "read -P 0xa5 512 3k",
        "read -P 0 1M 16k",
        "read -P 0x5a 1064960 50176",
      ].flatMap((command) => ["-c", command]);
      const said = await runWell("qemu-io", ["-f", "raw", ...commands, uri]);
      expect(said).not.toContain("failed");
    });
    expectUnchanged(disks());
  });

  peerTest(
    ["nbdcopy"],
    "is gone with the server, killed or not, and leaves the disks alone",
    async () => {
      const folder = testFolder("open");
      const source = join(folder, "source.img");
      writeFileSync(source, randomBytes(kernelRead(disks().golden).bytes));
      const served = await serve([...two(), "--overlay"], backend);
      await runWell("nbdcopy", [source, served.uri]);
      expect(await served.stop("SIGKILL")).toBe("SIGKILL");
      expectUnchanged(disks());
      const back = join(folder, "back.img");
      await whileServed(
        [...two()],
        backend,
        async (uri) => void (await runWell("nbdcopy", [uri, back])),
      );
      expect(sha256(readFileSync(back))).toBe(kernelRead(disks().golden).sha256);
    },
  );
});
