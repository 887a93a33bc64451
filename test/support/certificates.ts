/** Throw-away certificates and secrets for TLS tests, made with openssl. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runWell } from "./nbd-server.ts";

/**
 * Makes an authority, a server certificate for localhost and 127.0.0.1, and a client certificate in `folder`, under the names
 * that libnbd and qemu look for: ca-cert.pem, server-cert.pem, server-key.pem, client-cert.pem, client-key.pem.
 */
export async function makeCertificates(folder: string): Promise<void> {
  const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const ca = join(folder, "ca");
  await openssl(
    `req -x509 ${newKey} -days 2 -subj /CN=holdfast-authority ` +
      `-addext keyUsage=critical,keyCertSign -keyout ${ca}-key.pem -out ${ca}-cert.pem`,
  );
  for (const [name, usage] of [
    ["server", "serverAuth"],
    ["client", "clientAuth"],
  ] as const) {
    const own = join(folder, name);
    const extensions =
      `extendedKeyUsage=${usage}\nkeyUsage=digitalSignature\nbasicConstraints=CA:false\n` +
      "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
    writeFileSync(`${own}.ext`, extensions);
    await openssl(
      `req -new ${newKey} -subj /CN=holdfast-${name} -keyout ${own}-key.pem -out ${own}.csr`,
    );
    await openssl(
      `x509 -req -days 2 -in ${own}.csr -extfile ${own}.ext -CA ${ca}-cert.pem ` +
        `-CAkey ${ca}-key.pem -CAcreateserial -out ${own}-cert.pem`,
    );
  }
}

/** No argument has a space in it. */
function openssl(command: string): Promise<string> {
  return runWell("openssl", command.split(" "));
}

export function pem(folder: string, name: string): string {
  return readFileSync(join(folder, name), "utf8");
}
