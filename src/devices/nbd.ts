/**
 * An export of another NBD server as a device: the client side of the protocol, with simple replies.
 *
 *   handshake --GO--> open --server gone, wrong bytes--> lost (everything ends with `io`)
 *                      `--close--> drained, DISC sent, closed
 *
 * At most WINDOW requests are on their way; more wait here in order, and none is sent while the socket's queue is full.
 * Bios are cut to what the server takes. What a server lacks is made up for: FUA by a flush after the write. A
 * server without flush promises nothing about power cuts, so a flush succeeds there, as in other clients.
 */
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { Bio, BioFlags, flushBio } from "../block/bio.ts";
import type { BioEnd, BioOp } from "../block/bio.ts";
import type { BlockLimits, Extent } from "../block/device.ts";
import { InFlight } from "../block/in-flight.ts";
import { admit, afterPreflush } from "../block/admit.ts";
import { submitSplit } from "../block/split.ts";
import type { Timers } from "../env/env.ts";
import type { Connection, Sockets } from "../env/sockets.ts";
import {
  Command,
  CommandFlag,
  NBD_REQUEST_MAGIC,
  NBD_SIMPLE_REPLY_MAGIC,
  NbdErrno,
  TransmissionFlag,
} from "../formats/nbd/constants.ts";
import { request, simpleReply } from "../formats/nbd/transmission.ts";
import { formatNbdUri, parseNbdUri } from "../formats/nbd/uri.ts";
import type { NbdUri } from "../formats/nbd/uri.ts";
import type { OpenedDevice } from "./file.ts";
import { shakeHands } from "./nbd-handshake.ts";
import type { RemoteExport } from "./nbd-handshake.ts";
import { NbdStream } from "./nbd-stream.ts";

const WINDOW = 64;
const MAX_DATA_BYTES = 4 * 1024 * 1024;
/** Ranges without data have 32 bits of length; a multiple of every block size. */
const MAX_RANGE_BYTES = 1024 * 1024 * 1024;
const HANDSHAKE_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 2000;

const COMMANDS: Readonly<Record<BioOp, number>> = {
  read: Command.read,
  write: Command.write,
  flush: Command.flush,
  discard: Command.trim,
  "write-zeroes": Command.writeZeroes,
};

const ERRORS: ReadonlyMap<number, readonly [ErrorCode, string]> = new Map([
  [NbdErrno.EPERM, ["permission", "does not allow it"]],
  [NbdErrno.ENOSPC, ["no-space", "has no room left"]],
  [NbdErrno.EINVAL, ["protocol", "found the request invalid"]],
  [NbdErrno.ENOTSUP, ["unsupported", "does not support it"]],
  [NbdErrno.ESHUTDOWN, ["shutdown", "is shutting down"]],
] as const);

function limitsOf(remote: RemoteExport, readOnly: boolean): BlockLimits {
  const can = (flag: number): boolean => (remote.transmissionFlags & flag) !== 0;
  return {
    logicalBlockBytes: SECTOR_BYTES,
    optimalIoBytes: 0,
    readOnly,
    discard: !readOnly && can(TransmissionFlag.sendTrim),
    writeZeroes: !readOnly && can(TransmissionFlag.sendWriteZeroes),
  };
}

/** What a client needs of the world. */
interface ClientEnv {
  readonly timers: Timers;
  readonly sockets: Pick<Sockets, "connect">;
}

class NbdDevice implements OpenedDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits;
  readonly notes: readonly string[];
  readonly #env: ClientEnv;
  readonly #stream: NbdStream;
  readonly #flags: number;
  readonly #dataSectors: number;
  readonly #inFlight = new InFlight();
  /** Not sent yet, in order. */
  readonly #waiting: Bio[] = [];
  /** Sent, by cookie. */
  readonly #sent = new Map<number, Bio>();
  #nextCookie = 1;
  #lost: HoldfastError | null = null;

  /** Takes the stream over; the handshake is done. */
  constructor(
    env: ClientEnv,
    name: string,
    stream: NbdStream,
    remote: RemoteExport,
    readOnly: boolean,
  ) {
    this.#env = env;
    this.name = name;
    this.#stream = stream;
    this.#flags = remote.transmissionFlags;
    this.sectors = Math.floor(remote.sizeBytes / SECTOR_BYTES);
    this.limits = limitsOf(remote, readOnly);
    const dataBytes = Math.min(MAX_DATA_BYTES, remote.maximumPayloadBytes);
    this.#dataSectors = Math.max(1, Math.floor(dataBytes / SECTOR_BYTES));
    const rest = remote.sizeBytes % SECTOR_BYTES;
    const note = `${name} has ${rest} bytes behind its last whole sector; they are left out.`;
    this.notes = rest === 0 ? [] : [note];
    stream.onRoom = () => this.#pump();
    stream.onLost = (why) => this.#lose(why);
    if (stream.isClosed) this.#lose("the server closed the connection");
    else this.#awaitReply();
  }

  submit(bio: Bio): void {
    const end = admit(this, this.#inFlight, bio);
    if (end === null) return;
    afterPreflush(
      bio,
      end,
      (flushed) => this.#flush(flushed),
      () => this.#split(bio, end),
    );
  }

  /** Every run is data: what the server knows of holes is not asked for. */
  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  async close(): Promise<void> {
    await this.#inFlight.drain();
    if (this.#lost !== null) return;
    this.#stream.onLost = () => {};
    this.#stream.send([this.#header(Command.disc, 0, 0, 0, 0)]);
    await this.#stream.end(this.#env.timers, CLOSE_TIMEOUT_MS);
  }

  #can(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  #flush(end: BioEnd): void {
    if (!this.limits.readOnly && this.#can(TransmissionFlag.sendFlush))
      this.#enqueue(flushBio(end));
    else end(null);
  }

  #split(bio: Bio, end: BioEnd): void {
    if (bio.op === "flush") {
      this.#flush(end);
      return;
    }
    const flushAfter = (bio.flags & BioFlags.fua) !== 0 && !this.#can(TransmissionFlag.sendFua);
    const ended: BioEnd = flushAfter
      ? (error) => (error === null ? this.#flush(end) : end(error))
      : end;
    const flags = bio.flags & ~BioFlags.preflush;
    const whole = new Bio(bio.op, bio.sector, bio.sectors, bio.data, flags, ended);
    const boundary = bio.data.length > 0 ? this.#dataSectors : MAX_RANGE_BYTES / SECTOR_BYTES;
    submitSplit(whole, boundary, (part) => this.#enqueue(part));
  }

  #enqueue(bio: Bio): void {
    if (this.#lost !== null) {
      bio.end(this.#lost);
      return;
    }
    this.#waiting.push(bio);
    this.#pump();
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#sent.size < WINDOW && this.#stream.hasRoom)
      this.#send(this.#waiting.shift()!);
  }

  #send(bio: Bio): void {
    const cookie = this.#nextCookie;
    this.#nextCookie = (this.#nextCookie % 0xffff_ffff) + 1;
    assert(!this.#sent.has(cookie), "a cookie is used again only after its reply");
    this.#sent.set(cookie, bio);
    const useFua = (bio.flags & BioFlags.fua) !== 0 && this.#can(TransmissionFlag.sendFua);
    const flags =
      (useFua ? CommandFlag.fua : 0) |
      ((bio.flags & BioFlags.noUnmap) === 0 ? 0 : CommandFlag.noHole);
    const length = bio.sectors * SECTOR_BYTES;
    const header = this.#header(COMMANDS[bio.op], flags, cookie, bio.sector * SECTOR_BYTES, length);
    this.#stream.send(bio.op === "write" ? [header, bio.data] : [header]);
  }

  #header(type: number, flags: number, cookie: number, offset: number, length: number): Uint8Array {
    return request.encode({
      magic: NBD_REQUEST_MAGIC,
      flags,
      type,
      cookie: BigInt(cookie),
      offset: BigInt(offset),
      length,
    });
  }

  #awaitReply(): void {
    this.#stream.receive(new Uint8Array(simpleReply.size), (header) => this.#onReply(header));
  }

  #onReply(header: Uint8Array): void {
    const reply = simpleReply.decode(header);
    const cookie = Number(reply.cookie);
    const bio = this.#sent.get(cookie);
    if (reply.magic !== NBD_SIMPLE_REPLY_MAGIC || bio === undefined) {
      const text = `${this.name}: the server sent something that is no reply to any request.`;
      this.#stream.destroy(new HoldfastError("protocol", text));
      return;
    }
    const done = (error: HoldfastError | null): void => {
      this.#sent.delete(cookie);
      this.#awaitReply();
      bio.end(error);
      this.#pump();
    };
    if (reply.error !== 0) done(this.#replyError(bio, reply.error));
    else if (bio.op === "read") this.#stream.receive(bio.data, () => done(null));
    else done(null);
  }

  #replyError(bio: Bio, errno: number): HoldfastError {
    const [code, text] = ERRORS.get(errno) ?? ["io", `reported error ${errno}`];
    const where = bio.op === "flush" ? "" : ` at sector ${bio.sector}`;
    return new HoldfastError(code, `${this.name}: ${bio.op}${where} failed: the server ${text}.`);
  }

  #lose(why: string): void {
    if (this.#lost !== null) return;
    const text = `${this.name} is lost: ${why}; check the server and open it again.`;
    this.#lost = new HoldfastError("io", text);
    const ended = [...this.#sent.values(), ...this.#waiting.splice(0)];
    this.#sent.clear();
    for (const bio of ended) bio.end(this.#lost);
  }
}

function checkUsable(remote: RemoteExport, readOnly: boolean, name: string): void {
  if (!readOnly && (remote.transmissionFlags & TransmissionFlag.readOnly) !== 0)
    throw new HoldfastError("read-only", `${name} is offered read-only; open it read-only.`);
  if (remote.minimumBlockBytes > SECTOR_BYTES) {
    const text = `${name} takes blocks of ${remote.minimumBlockBytes} bytes only; larger ones than 512 are not supported.`;
    throw new HoldfastError("unsupported", text);
  }
}

async function connect(env: ClientEnv, uri: NbdUri, name: string): Promise<Connection> {
  if (uri.tls === "require")
    throw new HoldfastError(
      "unsupported",
      `${name}: TLS is not supported for members; use nbd://.`,
    );
  return env.sockets.connect(uri.address);
}

/** @throws HoldfastError as Sockets.connect and shakeHands do; `read-only`, `unsupported`, `timeout`, `usage` for a bad URI */
export async function openNbdDevice(
  env: ClientEnv,
  text: string,
  options: { readonly readOnly: boolean },
): Promise<OpenedDevice> {
  const uri = parseNbdUri(text);
  const name = formatNbdUri(uri);
  const stream = new NbdStream(await connect(env, uri, name), name);
  const timer = env.timers.set(HANDSHAKE_TIMEOUT_MS, () => {
    stream.destroy(
      new HoldfastError("timeout", `${name} did not answer in time; is it an NBD server?`),
    );
  });
  try {
    const remote = await shakeHands(stream, uri.exportName, name);
    checkUsable(remote, options.readOnly, name);
    return new NbdDevice(env, name, stream, remote, options.readOnly);
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    timer.cancel();
  }
}
