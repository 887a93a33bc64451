/**
 * What the server offers: devices under names, and what clients are told about them.
 *
 * Block sizes. The minimum is 1: requests of any offset and length are served (block/bytes.ts), so no client has to be
 * refused, qemu does not read-modify-write on its own side where the server can do it under one lock for all
 * clients, and the Linux client, which never asks, uses 512 anyway. The preferred size is the largest power of two that
 * divides the device's best I/O size (the protocol wants a power of two), at least 4096. The maximum is the payload limit;
 * with these and the default limits a client that does not ask for sizes is right too.
 */
import { HoldfastError } from "../base/errors.ts";
import { ignore } from "../base/nothing.ts";
import { ByteDevice } from "../block/bytes.ts";
import type { BlockDevice } from "../block/device.ts";
import { RangeLock } from "../block/range-lock.ts";
import { NBD_MAX_STRING_BYTES, TransmissionFlag } from "../formats/nbd/constants.ts";
import type { NbdLimits } from "./limits.ts";
import type { ReplyMode } from "./replies.ts";

export interface NbdExport {
  /** What clients ask for; "" is the default export. */
  readonly name: string;
  /** For people, in lists. */
  readonly description?: string;
  /** Lent to the server until `stop` has ended; the server does not close it. */
  readonly device: BlockDevice;
  /** A client has it open, until the function it returns is called. */
  readonly opened?: () => () => void;
}

const MIN_PREFERRED_BYTES = 4096;

export class ServedExport {
  readonly #given: NbdExport;
  readonly #limits: NbdLimits;
  readonly #lock: RangeLock;
  readonly name: string;
  readonly description: string;
  readonly bytes: ByteDevice;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly canDiscard: boolean;
  /** Zeroing is faster than writing zeros. */
  readonly canFastZero: boolean;
  readonly minimumBytes = 1;
  readonly preferredBytes: number;
  readonly maximumBytes: number;

  /** @param lock of an earlier one of the same device */
  constructor(given: NbdExport, limits: NbdLimits, lock?: RangeLock) {
    const { limits: device } = given.device;
    const holds = limits.maxConnections * limits.maxRequestsPerConnection;
    this.#given = given;
    this.#limits = limits;
    this.#lock = lock ?? new RangeLock(holds + 1);
    this.name = given.name;
    this.description = given.description ?? "";
    // One for all connections: its lock keeps unaligned writes of different clients apart, and a flush on one
    // connection covers what was answered on any other, as multi-conn promises.
    this.bytes = new ByteDevice(given.device, this.#lock);
    this.sizeBytes = this.bytes.sizeBytes;
    this.readOnly = device.readOnly;
    this.canDiscard = device.discard && !device.readOnly;
    this.canFastZero = device.writeZeroes && !device.readOnly;
    this.maximumBytes = limits.maxPayloadBytes;
    this.preferredBytes = preferredBytes(device.optimalIoBytes, limits.maxPayloadBytes);
  }

  get device(): BlockDevice {
    return this.#given.device;
  }

  /** A client has it open, until the function it returns is called. */
  opened(): () => void {
    return this.#given.opened?.() ?? ignore;
  }

  /** For new clients: the device may have grown, or become writable, since. Those who have this one keep what they were told. */
  renewed(): ServedExport {
    const now = new ServedExport(this.#given, this.#limits, this.#lock);
    const isSame =
      now.sizeBytes === this.sizeBytes &&
      now.readOnly === this.readOnly &&
      now.canDiscard === this.canDiscard &&
      now.canFastZero === this.canFastZero;
    return isSame ? this : now;
  }

  /** The same device under another name. */
  renamed(given: NbdExport): ServedExport {
    return new ServedExport(given, this.#limits, this.#lock);
  }

  /** @param hasContexts the client has chosen metadata contexts */
  transmissionFlags(mode: ReplyMode, hasContexts: boolean): number {
    let flags: number =
      TransmissionFlag.hasFlags |
      TransmissionFlag.sendFlush |
      TransmissionFlag.canMultiConn |
      TransmissionFlag.sendCache;
    if (this.readOnly) {
      flags |= TransmissionFlag.readOnly;
    } else {
      flags |=
        TransmissionFlag.sendFua | TransmissionFlag.sendWriteZeroes | TransmissionFlag.sendFastZero;
      if (this.canDiscard) flags |= TransmissionFlag.sendTrim;
    }
    if (mode !== "simple") flags |= TransmissionFlag.sendDf;
    if (mode === "extended" && hasContexts) flags |= TransmissionFlag.blockStatusPayload;
    return flags;
  }
}

function preferredBytes(optimalIoBytes: number, maximumBytes: number): number {
  // The lowest bit that is set, without 32-bit arithmetic.
  let power = 1;
  while (optimalIoBytes > 0 && optimalIoBytes % (power * 2) === 0 && power * 2 <= maximumBytes)
    power *= 2;
  return Math.max(MIN_PREFERRED_BYTES, power);
}

/** What is offered now; it may change while clients are there. */
export class ExportTable {
  readonly #limits: NbdLimits;
  readonly #byName = new Map<string, ServedExport>();

  /** Throws `usage` for names that clash or that the protocol cannot carry. */
  constructor(given: readonly NbdExport[], limits: NbdLimits) {
    this.#limits = limits;
    for (const one of given) this.add(one);
  }

  /** In the order in which they came. */
  get all(): readonly ServedExport[] {
    return [...this.#byName.values()];
  }

  /** Throws as the constructor does. */
  add(given: NbdExport): ServedExport {
    return this.#set(given, new ServedExport(given, this.#limits));
  }

  #set({ name, description }: NbdExport, made: ServedExport): ServedExport {
    checkText(`The export name ${JSON.stringify(name)}`, name);
    checkText(`The description of export ${JSON.stringify(name)}`, description ?? "");
    if (this.#byName.has(name))
      throw new HoldfastError("usage", `Two exports have the name ${JSON.stringify(name)}.`);
    this.#byName.set(name, made);
    return made;
  }

  /** Throws as `add` does; the export keeps its old name then. */
  rename(before: string, given: NbdExport): void {
    const found = this.remove(before);
    if (found === undefined) return;
    try {
      this.#set(given, found.renamed(given));
    } catch (error) {
      this.#byName.set(before, found);
      throw error;
    }
  }

  /** Clients that have it keep it. */
  remove(name: string): ServedExport | undefined {
    const found = this.#byName.get(name);
    this.#byName.delete(name);
    return found;
  }

  /** By its name; "" is also the only export, if there is just one. */
  find(name: string): ServedExport | undefined {
    const isOnly = name === "" && this.#byName.size === 1;
    const found = this.#byName.get(name) ?? (isOnly ? this.all[0] : undefined);
    if (found === undefined) return undefined;
    const renewed = found.renewed();
    this.#byName.set(found.name, renewed);
    return renewed;
  }
}

function checkText(what: string, text: string): void {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > NBD_MAX_STRING_BYTES)
    throw new HoldfastError(
      "usage",
      `${what} has ${bytes} bytes; NBD allows ${NBD_MAX_STRING_BYTES}.`,
    );
  if (text.includes("\0"))
    throw new HoldfastError("usage", `${what} contains a NUL character, which NBD forbids.`);
}
