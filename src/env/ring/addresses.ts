/**
 * Socket addresses as the kernel wants them. Sources: unix(7), ip(7), ipv6(7). The family has the machine's byte order
 * (little-endian on all machines of this backend), ports and addresses that of the network.
 *
 *   unix   family(2) path NUL        IPv4   family(2) port(2) address(4) zeros(8)
 *                                    IPv6   family(2) port(2) flow(4) address(16) scope(4)
 */
import { lookup } from "node:dns/promises";
import { isIPv6 } from "node:net";
import type { SocketAddress } from "../sockets.ts";
import { Family } from "./abi.ts";

const IPV4_BYTES = 16;
const IPV6_BYTES = 28;
/** Room for any of them. */
export const MAX_ADDRESS_BYTES = 112;
const MAPPED_PREFIX = "0:0:0:0:0:ffff";

/** All addresses that the name stands for, in the resolver's order. Rejects as node:dns does. */
export async function systemAddresses(address: SocketAddress): Promise<Uint8Array[]> {
  if (address.kind === "unix") return [unixAddress(address.path)];
  const found = await lookup(address.host, { all: true, order: "verbatim" });
  return found.map((one) => inetAddress(one.address, address.port));
}

export function familyOf(address: Uint8Array): number {
  return address[0]! | (address[1]! << 8);
}

function unixAddress(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  const bytes = new Uint8Array(2 + name.length + 1);
  bytes[0] = Family.unix;
  bytes.set(name, 2);
  return bytes;
}

function inetAddress(host: string, port: number): Uint8Array {
  const isSix = isIPv6(host);
  const bytes = new Uint8Array(isSix ? IPV6_BYTES : IPV4_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = isSix ? Family.inet6 : Family.inet;
  view.setUint16(2, port);
  if (isSix) groupsOf(host).forEach((group, i) => view.setUint16(8 + 2 * i, group));
  else host.split(".").forEach((part, i) => view.setUint8(4 + i, Number(part)));
  return bytes;
}

/** The eight groups of an IPv6 address. */
function groupsOf(host: string): number[] {
  // The URL parser knows all ways to write one, and answers with one: groups of hexadecimal digits, at most one "::".
  const plain = new URL(`http://[${host.replace(/%.*$/, "")}]`).hostname.slice(1, -1);
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

/** Of an IPv4 or IPv6 address as the kernel gives it; null for others. */
export function hostAndPort(bytes: Uint8Array): { host: string; port: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const port = view.getUint16(2);
  const family = familyOf(bytes);
  if (family === Family.inet) return { host: bytes.subarray(4, 8).join("."), port };
  if (family !== Family.inet6) return null;
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i).toString(16));
  if (groups.slice(0, 6).join(":") === MAPPED_PREFIX)
    return { host: `::ffff:${bytes.subarray(20, 24).join(".")}`, port };
  return { host: new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1), port };
}
