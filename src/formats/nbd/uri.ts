/**
 * NBD URIs (NetworkBlockDevice/nbd, doc/uri.md; RFC 3986).
 *
 *   nbd://user@host:port/export?query          nbds: TLS or nothing
 *   nbd+unix:///export?socket=path&query       nbds+unix
 *
 * The export name is the path without its first "/". Parameters understood: socket, tls-type, tls-hostname,
 * tls-verify-peer, and libnbd's tls-certificates, tls-psk-file; those that start with "x-" are passed over, others are an
 * error. "+" is no space: that belongs to HTML forms.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { SocketAddress } from "../../env/sockets.ts";
import { NBD_DEFAULT_PORT, NBD_MAX_STRING_BYTES } from "./constants.ts";

export interface NbdUri {
  readonly address: SocketAddress;
  /** "" is the default export. */
  readonly exportName: string;
  /** "require" for nbds: without TLS there is no connection. */
  readonly tls: "allow" | "require";
  /** Whom a PSK belongs to. */
  readonly user?: string;
  readonly tlsType?: "anon" | "x509" | "psk";
  /** The name that the server's certificate must have, if not the host's. */
  readonly tlsHostname?: string;
  readonly tlsVerifyPeer?: boolean;
  /** Folder of ca-cert.pem, client-cert.pem, client-key.pem. */
  readonly tlsCertificates?: string;
  /** File of lines user:hex. */
  readonly tlsPskFile?: string;
}

const SHAPE = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$/;
const AUTHORITY = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:@[\]]*)(?::(\d*))?$/;
const TLS_TYPES = ["anon", "x509", "psk"] as const;

function fail(text: string, why: string): never {
  throw new HoldfastError("usage", `${text} is not an NBD URI that can be used: ${why}.`);
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return fail(text, `${JSON.stringify(part)} has a % that no UTF-8 follows`);
  }
}

/** Whether it looks like an NBD URI rather than a path. */
export function isNbdUri(text: string): boolean {
  return /^nbds?(\+[a-z]+)?:/i.test(text);
}

/** Throws `usage`, quoting the text. */
export function parseNbdUri(text: string): NbdUri {
  const match = SHAPE.exec(text);
  if (match === null) fail(text, "it has to look like nbd://host/export");
  const [, schemeGiven = "", authority, path = "", query = "", fragment] = match;
  const scheme = schemeGiven.toLowerCase();
  if (!["nbd", "nbds", "nbd+unix", "nbds+unix"].includes(scheme))
    fail(text, `the scheme ${schemeGiven}: is not nbd, nbds, nbd+unix or nbds+unix`);
  if (fragment !== undefined) fail(text, "it has a fragment (#); write %23 for a # in a name");
  const parameters = parseQuery(text, query);
  const isUnix = scheme.endsWith("+unix");
  const { address, user } = isUnix
    ? unixAddress(text, authority, parameters)
    : tcpAddress(text, authority, parameters);
  const exportName = decode(text, path.replace(/^\//, ""));
  if (exportName.includes("\0")) fail(text, "the export name contains a NUL character");
  if (new TextEncoder().encode(exportName).length > NBD_MAX_STRING_BYTES)
    fail(text, `the export name is longer than ${NBD_MAX_STRING_BYTES} bytes`);
  return {
    address,
    exportName,
    tls: scheme.startsWith("nbds") ? "require" : "allow",
    ...(user === undefined ? {} : { user }),
    ...tlsParameters(text, parameters),
  };
}

const PARAMETERS: ReadonlySet<string> = new Set([
  "socket",
  "tls-type",
  "tls-hostname",
  "tls-verify-peer",
  "tls-certificates",
  "tls-psk-file",
]);

function parseQuery(text: string, query: string): Map<string, string> {
  const result = new Map<string, string>();
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const key = decode(text, equals < 0 ? part : part.slice(0, equals));
    if (key.startsWith("x-")) continue;
    if (!PARAMETERS.has(key)) fail(text, `the parameter ${JSON.stringify(key)} is unknown`);
    if (result.has(key)) fail(text, `the parameter ${key} is there twice`);
    result.set(key, equals < 0 ? "" : decode(text, part.slice(equals + 1)));
  }
  return result;
}

interface Place {
  readonly address: SocketAddress;
  readonly user?: string;
}

function unixAddress(
  text: string,
  authority: string | undefined,
  parameters: Map<string, string>,
): Place {
  const path = parameters.get("socket");
  if (path === undefined || path === "") fail(text, "it needs ?socket=PATH");
  const [, user, host, port] = AUTHORITY.exec(authority ?? "") ?? [];
  if (host !== "" || port !== undefined)
    fail(text, "a unix socket has no host; write nbd+unix:///export?socket=PATH");
  const address: SocketAddress = { kind: "unix", path };
  return user === undefined ? { address } : { address, user: decode(text, user) };
}

function tcpAddress(
  text: string,
  authority: string | undefined,
  parameters: Map<string, string>,
): Place {
  if (parameters.has("socket")) fail(text, "?socket= goes with nbd+unix:// or nbds+unix:// only");
  const match = AUTHORITY.exec(authority ?? "");
  if (match === null) fail(text, `${JSON.stringify(authority)} is not host or host:port`);
  const [, user, hostGiven = "", portText = ""] = match;
  const bare = hostGiven.replace(/^\[(.*)\]$/, "$1");
  const host = bare === "" ? "localhost" : decode(text, bare);
  const port = portText === "" ? NBD_DEFAULT_PORT : Number(portText);
  // 0 asks a server for any free port, as everywhere.
  if (port > 65535) fail(text, `${portText} is not a port`);
  const address: SocketAddress = { kind: "tcp", host, port };
  return user === undefined ? { address } : { address, user: decode(text, user) };
}

type TlsParameters = Pick<
  NbdUri,
  "tlsType" | "tlsHostname" | "tlsVerifyPeer" | "tlsCertificates" | "tlsPskFile"
>;

function tlsParameters(text: string, parameters: Map<string, string>): TlsParameters {
  const type = parameters.get("tls-type");
  const tlsType = TLS_TYPES.find((one) => one === type);
  if (type !== undefined && tlsType === undefined)
    fail(text, `tls-type is ${JSON.stringify(type)}, not anon, x509 or psk`);
  const verify = parameters.get("tls-verify-peer");
  if (verify !== undefined && verify !== "0" && verify !== "1")
    fail(text, `tls-verify-peer is ${JSON.stringify(verify)}, not 0 or 1`);
  const tlsHostname = parameters.get("tls-hostname");
  const tlsCertificates = parameters.get("tls-certificates");
  const tlsPskFile = parameters.get("tls-psk-file");
  return {
    ...(tlsType === undefined ? {} : { tlsType }),
    ...(tlsHostname === undefined ? {} : { tlsHostname }),
    ...(verify === undefined ? {} : { tlsVerifyPeer: verify === "1" }),
    ...(tlsCertificates === undefined ? {} : { tlsCertificates }),
    ...(tlsPskFile === undefined ? {} : { tlsPskFile }),
  };
}

/** Slashes stay: every client takes them, and people read them. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll("%2F", "/");
}

/** The URI's text; `parseNbdUri` gives the same again. */
export function formatNbdUri(uri: NbdUri): string {
  const { address } = uri;
  const user = uri.user === undefined ? "" : `${encodeURIComponent(uri.user)}@`;
  const query: string[] = [];
  let scheme = uri.tls === "require" ? "nbds" : "nbd";
  let authority = user;
  if (address.kind === "unix") {
    scheme += "+unix";
    query.push(`socket=${encode(address.path)}`);
  } else {
    const host = address.host.includes(":") ? `[${address.host}]` : encode(address.host);
    authority += address.port === NBD_DEFAULT_PORT ? host : `${host}:${address.port}`;
  }
  if (uri.tlsType !== undefined) query.push(`tls-type=${uri.tlsType}`);
  if (uri.tlsHostname !== undefined) query.push(`tls-hostname=${encode(uri.tlsHostname)}`);
  if (uri.tlsVerifyPeer !== undefined) query.push(`tls-verify-peer=${uri.tlsVerifyPeer ? 1 : 0}`);
  if (uri.tlsCertificates !== undefined)
    query.push(`tls-certificates=${encode(uri.tlsCertificates)}`);
  if (uri.tlsPskFile !== undefined) query.push(`tls-psk-file=${encode(uri.tlsPskFile)}`);
  const path = `/${encode(uri.exportName)}`;
  return `${scheme}://${authority}${path}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}
