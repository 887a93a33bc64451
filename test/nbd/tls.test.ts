/** TLS with outside clients: certificates and pre-shared keys, libnbd (GnuTLS) and qemu (GnuTLS). */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { readOnly } from "../../src/block/read-only.ts";
import type { Connection, SocketAddress, TlsSettings } from "../../src/env/sockets.ts";
import type { NbdServer, NbdTls } from "../../src/nbd/server.ts";
import { describeBackends } from "../support/backends.ts";
import { makeCertificates, pem } from "../support/certificates.ts";
import { bytesOf, run, runWell, seededDisk, withNbdServer } from "../support/nbd-server.ts";
import { peerDescribe, peerTest } from "../support/peers.ts";
import { testFolder } from "../support/temp.ts";

const TCP: SocketAddress = { kind: "tcp", host: "127.0.0.1", port: 0 };
const SECRET = Buffer.from(
  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
  "hex",
);

const device = seededDisk(4096, 3, [[0, 2048]]);

describeBackends(({ env }) => {
  async function withTls(
    tls: NbdTls,
    use: (server: NbdServer, folder: string) => Promise<void>,
    listen: SocketAddress = TCP,
  ): Promise<void> {
    const exports = [{ name: "vol", device: readOnly(device) }];
    await withNbdServer(env, { listen, exports, tls }, (server) =>
      use(server, testFolder("nbd-tls")),
    );
  }

  async function x509(folder: string, requirePeer: boolean): Promise<TlsSettings> {
    await makeCertificates(folder);
    return {
      kind: "x509",
      certificatePem: pem(folder, "server-cert.pem"),
      keyPem: pem(folder, "server-key.pem"),
      authorityPem: pem(folder, "ca-cert.pem"),
      requirePeer,
    };
  }

  /** The URI for libnbd with the client's certificates. */
  function secureUri(server: NbdServer, certificates: string, port = portOf(server)): string {
    return `nbds://localhost:${port}/vol?tls-certificates=${certificates}`;
  }

  function portOf(server: NbdServer): number {
    return server.address.kind === "tcp" ? server.address.port : 0;
  }

  function pskFile(folder: string, user: string, secret: Buffer): string {
    const file = join(folder, "keys.psk");
    writeFileSync(file, `${user}:${secret.toString("hex")}\n`);
    return file;
  }

  function pskUri(server: NbdServer, user: string, file: string): string {
    return `nbds://${user}@localhost:${portOf(server)}/vol?tls-psk-file=${file}`;
  }

  /** What is behind the program's name and the name of the call. */
  function reason(text: string): string {
    return text.split(":").slice(-2).join(":");
  }

  peerDescribe(["openssl", "nbdinfo", "nbdcopy"], "TLS with certificates", () => {
    peerTest(["nbdcopy"], "carries a volume to a client that is known", async () => {
      const folder = testFolder("nbd-pki");
      await withTls(
        { mode: "require", settings: await x509(folder, true) },
        async (server, out) => {
          const file = join(out, "out");
          await runWell("nbdcopy", [secureUri(server, folder), file]);
          expect(readFileSync(file).equals(bytesOf(device))).toBe(true);
          const info = JSON.parse(
            await runWell("nbdinfo", ["--json", secureUri(server, folder)]),
          ) as {
            TLS: boolean;
          };
          expect(info.TLS).toBe(true);
        },
      );
    });

    peerTest(["nbdinfo"], "turns away a client without TLS", async () => {
      const folder = testFolder("nbd-pki");
      await withTls({ mode: "require", settings: await x509(folder, true) }, async (server) => {
        const plain = await run("nbdinfo", [`nbd://localhost:${portOf(server)}/vol`]);
        expect(plain.code).not.toBe(0);
        // How libnbd words ERR_TLS_REQD.
        expect(plain.stderr).toContain("Operation not supported");
      });
    });

    peerTest(["nbdinfo"], "turns away a client whose certificate it does not know", async () => {
      const folder = testFolder("nbd-pki");
      const other = testFolder("nbd-pki-other");
      await makeCertificates(other);
      await withTls({ mode: "require", settings: await x509(folder, true) }, async (server) => {
        // It trusts the server, but its own certificate is from elsewhere.
        writeFileSync(join(other, "ca-cert.pem"), pem(folder, "ca-cert.pem"));
        const stranger = await run("nbdinfo", [secureUri(server, other)]);
        expect(stranger.code).not.toBe(0);
        expect(server.stats.dropped).toBe(1);
        expect((await run("nbdinfo", [secureUri(server, folder)])).code).toBe(0);
      });
    });

    peerTest(["nbdinfo"], "wants a certificate of the client only where it says so", async () => {
      const folder = testFolder("nbd-pki");
      const bare = testFolder("nbd-pki-bare");
      const known = await x509(folder, true);
      writeFileSync(join(bare, "ca-cert.pem"), pem(folder, "ca-cert.pem"));
      for (const [requirePeer, code] of [
        [true, 1],
        [false, 0],
      ] as const) {
        const settings = { ...known, requirePeer } as TlsSettings;
        await withTls({ mode: "require", settings }, async (server) => {
          expect((await run("nbdinfo", [secureUri(server, bare)])).code).toBe(code);
        });
      }
    });

    peerTest(["nbdinfo"], "is not trusted by a client of another authority", async () => {
      const folder = testFolder("nbd-pki");
      const other = testFolder("nbd-pki-other");
      await makeCertificates(other);
      await withTls({ mode: "require", settings: await x509(folder, false) }, async (server) => {
        const { code, stderr } = await run("nbdinfo", [secureUri(server, other)]);
        expect(code).not.toBe(0);
        expect(stderr).toMatch(/certificate|authority/i);
      });
    });

    peerTest(["nbdinfo"], "is up to the client when it is on but not required", async () => {
      const folder = testFolder("nbd-pki");
      const path = join(testFolder("nbd-tls"), "nbd.sock");
      await withTls(
        { mode: "on", settings: await x509(folder, false) },
        async (server) => {
          expect(await runWell("nbdinfo", ["--size", server.uri("vol")])).toBe("2097152\n");
          const query = `socket=${path}&tls-certificates=${folder}&tls-hostname=localhost`;
          const secure = JSON.parse(
            await runWell("nbdinfo", ["--json", `nbds+unix:///vol?${query}`]),
          ) as { TLS: boolean };
          expect(secure.TLS).toBe(true);
        },
        { kind: "unix", path },
      );
    });

    peerTest(["qemu-img"], "works with qemu", async () => {
      const folder = testFolder("nbd-pki");
      await withTls(
        { mode: "require", settings: await x509(folder, true) },
        async (server, out) => {
          const file = join(out, "out");
          await runWell("qemu-img", [
            "convert",
            "--object",
            `tls-creds-x509,id=tls0,endpoint=client,dir=${folder}`,
            "--image-opts",
            `driver=nbd,host=localhost,port=${portOf(server)},export=vol,tls-creds=tls0`,
            "-O",
            "raw",
            file,
          ]);
          expect(readFileSync(file).equals(bytesOf(device))).toBe(true);
        },
      );
    });
  });

  peerDescribe(["nbdinfo", "nbdcopy"], "TLS with pre-shared keys", () => {
    const settings: TlsSettings = { kind: "psk", secrets: new Map([["alice", SECRET]]) };

    peerTest(["nbdcopy"], "carries a volume to a user with the secret", async () => {
      await withTls({ mode: "require", settings }, async (server, folder) => {
        const file = join(folder, "out");
        await runWell("nbdcopy", [pskUri(server, "alice", pskFile(folder, "alice", SECRET)), file]);
        expect(readFileSync(file).equals(bytesOf(device))).toBe(true);
      });
    });

    peerTest(["nbdinfo"], "turns away a wrong secret and an unknown user alike", async () => {
      await withTls({ mode: "require", settings }, async (server, folder) => {
        const wrong = pskFile(folder, "alice", Buffer.alloc(32, 7));
        const first = await run("nbdinfo", [pskUri(server, "alice", wrong)]);
        const unknown = pskFile(folder, "mallory", SECRET);
        const second = await run("nbdinfo", [pskUri(server, "mallory", unknown)]);
        expect([first.code, second.code]).toEqual([1, 1]);
        expect(reason(first.stderr)).toBe(reason(second.stderr));
        expect(server.stats.dropped).toBe(2);
      });
    });

    peerTest(["qemu-img"], "works with qemu", async () => {
      await withTls({ mode: "require", settings }, async (server, folder) => {
        const keys = join(folder, "keys");
        mkdirSync(keys);
        pskFile(keys, "alice", SECRET);
        const creds = `tls-creds-psk,id=tls0,endpoint=client,username=alice,dir=${keys}`;
        const { stdout } = await run("qemu-img", [
          "info",
          "--object",
          creds,
          "--image-opts",
          `driver=nbd,host=localhost,port=${portOf(server)},export=vol,tls-creds=tls0`,
        ]);
        expect(stdout).toContain("virtual size: 2 MiB");
      });
    });
  });

  peerDescribe(["openssl"], "our own client side of TLS", () => {
    peerTest(["openssl"], "trusts the right server under the right name only", async () => {
      const folder = testFolder("nbd-pki");
      const other = testFolder("nbd-pki-other");
      await makeCertificates(other);
      const server = await x509(folder, true);
      const own = {
        kind: "x509",
        certificatePem: pem(folder, "client-cert.pem"),
        keyPem: pem(folder, "client-key.pem"),
        authorityPem: pem(folder, "ca-cert.pem"),
        requirePeer: true,
        serverName: "localhost",
      } as const;
      expect(await handshake(server, own)).toBe("good");
      expect(await handshake(server, { ...own, serverName: "elsewhere" })).toMatch(/altnames/i);
      expect(await handshake(server, { ...own, authorityPem: pem(other, "ca-cert.pem") })).toMatch(
        /TLS with .* failed/,
      );
      const stranger = { ...own, certificatePem: pem(other, "client-cert.pem") };
      const keyPem = pem(other, "client-key.pem");
      // With TLS 1.3 a client hears only later that it was not wanted: the server decides.
      expect(await handshake(server, { ...stranger, keyPem }, "server")).toMatch(
        /TLS with .* failed/,
      );
    });
  });

  /** "good", or how one side failed. */
  async function handshake(
    server: TlsSettings,
    client: TlsSettings,
    side: "client" | "server" = "client",
  ): Promise<string> {
    let resolveAccepted: (connection: Connection) => void = () => {};
    const first = new Promise<Connection>((resolve) => (resolveAccepted = resolve));
    const listener = await env.sockets.listen(TCP, (connection) => resolveAccepted(connection));
    const ours = await env.sockets.connect(listener.address);
    const theirs = await first;
    const results = await Promise.allSettled([
      ours.startTls("client", client),
      theirs.startTls("server", server),
    ]);
    await listener.close();
    for (const result of results) if (result.status === "fulfilled") result.value.destroy();
    const result = results[side === "client" ? 0 : 1];
    return result.status === "fulfilled" ? "good" : String(result.reason);
  }
});
