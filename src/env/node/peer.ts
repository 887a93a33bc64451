/**
 * Who is at the other end of a unix socket, through koffi: getsockopt(SO_PEERCRED) on Linux, whose struct ucred is pid, uid, gid;
 * getpeereid elsewhere. Sources: unix(7), getpeereid(3).
 */
import type net from "node:net";
import type { PeerCredentials } from "../http.ts";
import { koffi, libcFunction } from "./koffi.ts";
import type { Koffi, NativeFunction } from "./koffi.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

type Ask = (descriptor: number) => PeerCredentials | null;

function linuxAsk(native: Koffi): Ask | null {
  const call = libcFunction(native, ["getsockopt"], "int", ["int", "int", "int", "int64", "int64"]);
  return (
    call &&
    ((descriptor) => {
      const found = new Int32Array(3);
      const length = new Int32Array([found.byteLength]);
      const failed = call(
        descriptor,
        SOL_SOCKET,
        SO_PEERCRED,
        addressOf(native, found),
        addressOf(native, length),
      );
      return failed === 0 ? { uid: found[1]! >>> 0, gid: found[2]! >>> 0 } : null;
    })
  );
}

function otherAsk(native: Koffi): Ask | null {
  const call: NativeFunction | null = libcFunction(native, ["getpeereid"], "int", [
    "int",
    "int64",
    "int64",
  ]);
  return (
    call &&
    ((descriptor) => {
      const ids = new Int32Array(2);
      const address = addressOf(native, ids);
      const failed = call(descriptor, address, address + 4n);
      return failed === 0 ? { uid: ids[0]! >>> 0, gid: ids[1]! >>> 0 } : null;
    })
  );
}

function addressOf(native: Koffi, words: Int32Array): bigint {
  return native.address(new Uint8Array(words.buffer));
}

let asking: Ask | null | undefined;

function ask(): Ask | null {
  if (asking !== undefined) return asking;
  const native = process.platform === "win32" ? null : koffi();
  asking = native && (process.platform === "linux" ? linuxAsk(native) : otherAsk(native));
  return asking;
}

/** Null where the system does not say, or koffi is missing. */
export function peerCredentials(socket: net.Socket): PeerCredentials | null {
  // Node keeps the descriptor to itself.
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } };
  const descriptor = handle?.fd ?? -1;
  return descriptor < 0 ? null : (ask()?.(descriptor) ?? null);
}
