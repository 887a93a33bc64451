/**
 * The server's TLS settings from files, laid out as libnbd, nbdkit and qemu expect them:
 * a folder with server-cert.pem, server-key.pem and ca-cert.pem (with which clients must then show a certificate of
 * that authority), or a file of pre-shared keys, one "user:hex" a line (psktool of GnuTLS writes it).
 */
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { TlsSettings } from "../env/sockets.ts";
import { readSmallFile } from "../env/small-file.ts";

export async function certificateSettings(env: Env, folder: string): Promise<TlsSettings> {
  const authority = `${folder}/ca-cert.pem`;
  const hasAuthority = (await env.files.stat(authority)) !== null;
  return {
    kind: "x509",
    certificatePem: await readSmallFile(env, `${folder}/server-cert.pem`),
    keyPem: await readSmallFile(env, `${folder}/server-key.pem`),
    ...(hasAuthority ? { authorityPem: await readSmallFile(env, authority) } : {}),
    requirePeer: hasAuthority,
  };
}

export async function keySettings(env: Env, path: string): Promise<TlsSettings> {
  const secrets = new Map<string, Uint8Array>();
  const lines = (await readSmallFile(env, path)).split(/\r?\n/);
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const match = /^([^:]+):((?:[0-9a-fA-F]{2})+)\s*$/.exec(line);
    if (match === null) {
      // The line itself is a secret and stays out of the message.
      throw new HoldfastError(
        "usage",
        `line ${index + 1} of ${path} is not 'user:hexadecimal key'; psktool writes such files.`,
      );
    }
    secrets.set(match[1]!, Uint8Array.from(Buffer.from(match[2]!, "hex")));
  }
  if (secrets.size === 0) {
    throw new HoldfastError("usage", `${path} holds no pre-shared key; psktool writes such files.`);
  }
  return { kind: "psk", secrets };
}
