/**
 * Where `holdfast open` listens.
 *
 * Without --nbd: a unix socket in a fresh folder that only this user can enter, in $XDG_RUNTIME_DIR or the temporary folder.
 * TCP is asked for by a URI; leaving this machine without TLS is allowed, since it was typed, and warned about.
 */
import { HoldfastError } from "../base/errors.ts";
import type { SocketAddress } from "../env/sockets.ts";
import { parseNbdUri } from "../formats/nbd/uri.ts";
import type { NbdUri } from "../formats/nbd/uri.ts";
import type { NbdTls } from "../nbd/server.ts";
import type { CommandContext, ParsedArguments } from "./command.ts";
import { certificateSettings, keySettings } from "./tls.ts";

export interface ListenPlace {
  readonly address: SocketAddress;
  readonly tls: NbdTls | null;
  /** The export name asked for; "" leaves the volumes their own names. */
  readonly exportName: string;
  /** What was made for it, in the order in which it can be removed. */
  readonly made: readonly string[];
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i;

function leavesMachine(address: SocketAddress): boolean {
  return address.kind === "tcp" && !LOOPBACK.test(address.host);
}

async function tlsOf({ env }: CommandContext, args: ParsedArguments): Promise<NbdTls | null> {
  const folder = args.value("tls-certificates");
  const keys = args.value("tls-psk");
  const mode = args.has("tls-required") ? "require" : "on";
  if (folder !== undefined) return { mode, settings: await certificateSettings(env, folder) };
  if (keys !== undefined) return { mode, settings: await keySettings(env, keys) };
  if (args.has("tls-required")) {
    throw new HoldfastError(
      "usage",
      "--tls-required needs --tls-certificates or --tls-psk; without them there is no TLS.",
    );
  }
  return null;
}

function uriOf(text: string, tls: NbdTls | null): NbdUri {
  const uri = parseNbdUri(text);
  if (uri.tls === "require" && tls === null) {
    throw new HoldfastError(
      "usage",
      `${text} means TLS; add --tls-certificates or --tls-psk, or write nbd:// for none.`,
    );
  }
  return uri;
}

async function privateFolder({ env, terminal }: CommandContext): Promise<string> {
  const base = terminal.variable("XDG_RUNTIME_DIR") || terminal.variable("TMPDIR") || "/tmp";
  const unique = Buffer.from(env.random.bytes(8)).toString("hex");
  const folder = `${base.replace(/\/+$/, "")}/holdfast-${unique}`;
  await env.files.makeFolder(folder, 0o700);
  return folder;
}

/** Removes what was made for a place; its socket is gone already, unless the listener's thread died. */
export async function removeLeftovers(
  { env }: CommandContext,
  made: readonly string[],
): Promise<void> {
  for (const path of made) {
    if ((await env.files.stat(path)) !== null) await env.files.remove(path);
  }
}

export async function choosePlace(
  context: CommandContext,
  args: ParsedArguments,
): Promise<ListenPlace> {
  const tls = await tlsOf(context, args);
  const text = args.value("nbd");
  if (text === undefined) {
    const folder = await privateFolder(context);
    const address = { kind: "unix", path: `${folder}/nbd.sock` } as const;
    return { address, tls, exportName: "", made: [address.path, folder] };
  }
  const uri = uriOf(text, tls);
  if (leavesMachine(uri.address) && tls?.mode !== "require") {
    const what = tls === null ? "no TLS" : "TLS only for clients that want it";
    await context.output.warning(
      `${text} can be reached from other machines, with ${what}: anybody there can read the volume (and write its overlay); use --tls-certificates and --tls-required, or nbd://localhost.`,
    );
  }
  const required: NbdTls | null =
    uri.tls === "require" && tls !== null ? { ...tls, mode: "require" } : tls;
  return {
    address: uri.address,
    tls: required,
    exportName: uri.exportName,
    made: [],
  };
}
