/** Throw-away certificates and secrets for TLS tests, made with openssl. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runWell } from "./nbd-server.ts";

/**
 * Makes an authority, a server certificate for localhost and 127.0.0.1, and a client certificate in `folder`, under the names
 * that libnbd and qemu look for: ca-cert.pem, server-cert.pem, server-key.pem, client-cert.pem, client-key.pem.
 */
export async function makeCertificates(folder: string): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const place = (name: string): string => join(folder, name);
  const self = ["req", "-x509", ...key, "-days", "2", "-subj", "/CN=Holdfast test authority"];
  await runWell("openssl", [
    ...self,
    ...["-addext", "keyUsage=critical,keyCertSign"],
    ...["-keyout", place("ca-key.pem"), "-out", place("ca-cert.pem")],
  ]);
  for (const [name, usage] of [
    ["server", "serverAuth"],
    ["client", "clientAuth"],
  ]) {
    const extensions = place(`${name}.ext`);
    writeFileSync(
      extensions,
      `extendedKeyUsage=${usage}\nkeyUsage=digitalSignature\nbasicConstraints=CA:false\n` +
        "subjectAltName=DNS:localhost,IP:127.0.0.1\n",
    );
    const request = place(`${name}.csr`);
    await runWell("openssl", [
      ...["req", "-new", ...key, "-subj", `/CN=Holdfast test ${name}`],
      ...["-keyout", place(`${name}-key.pem`), "-out", request],
    ]);
    await runWell("openssl", [
      ...["x509", "-req", "-days", "2", "-in", request, "-extfile", extensions],
      ...["-CA", place("ca-cert.pem"), "-CAkey", place("ca-key.pem"), "-CAcreateserial"],
      ...["-out", place(`${name}-cert.pem`)],
    ]);
  }
}

export function pem(folder: string, name: string): string {
  return readFileSync(join(folder, name), "utf8");
}
