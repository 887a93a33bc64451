/**
 * Write-behind: writes to write-mostly members that nobody waits for. The client is told of success when the other members have the
 * data; the range stays locked, its regions and the array dirty until the slow ones have it too.
 *
 * - The data are copied, since the client's buffer is its own again when it has been told.
 * - There are at most `limit` of them, and no larger ones than 1 MiB: beyond that the client waits, as it does for writes with FUA,
 *   which are to survive the loss of the fast members.
 * - Overlapping writes are made in the order in which they came, on each member: the client may send the next one before the
 *   one before has reached the slow ones.
 * - A flush waits until all writes behind have ended, and no write goes behind while one waits: kernels do not, and what was flushed is gone
 *   when the power fails and the fast member with it (docs/decisions/0013-flush-waits-for-write-behind.md). Stopping the array waits too.
 * - A read of such a member waits until all writes behind have ended, and no write goes behind while one waits.
 */
import { RangeLock } from "../../../block/range-lock.ts";
import type { Bio } from "../../../block/bio.ts";
import type { BlockDevice, Extent } from "../../../block/device.ts";
import type { Member } from "../member.ts";

const MAX_BYTES = 1024 * 1024;

/** A member as reads see it. */
export class BehindGate implements Pick<BlockDevice, "sectors" | "submit" | "extents"> {
  readonly #device: BlockDevice;
  readonly #all: BehindWrites;
  /** In member sectors: exclusive for writes that must not overtake each other. */
  readonly order = new RangeLock();
  #pending = 0;
  #waiting: Bio[] = [];

  constructor(device: BlockDevice, all: BehindWrites) {
    this.#device = device;
    this.#all = all;
  }

  get sectors(): number {
    return this.#device.sectors;
  }

  submit(bio: Bio): void {
    if (this.#pending === 0) {
      this.#device.submit(bio);
      return;
    }
    this.#waiting.push(bio);
    this.#all.waitingReads += 1;
  }

  began(): void {
    this.#pending += 1;
  }

  ended(): void {
    this.#pending -= 1;
    if (this.#pending > 0 || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#all.waitingReads -= waiting.length;
    for (const bio of waiting) this.#device.submit(bio);
  }

  extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    return this.#device.extents(sector, sectors, maxExtents);
  }
}

export class BehindWrites {
  /** Writes of the array that may be behind at a time; 0: none. It wants a bitmap, or a crash could leave differences that nobody finds. */
  limit = 0;
  /** Reads that wait for writes behind. */
  waitingReads = 0;
  #count = 0;
  #waitingFlushes: (() => void)[] = [];
  readonly #gates = new WeakMap<Member, BehindGate>();

  gateOf(member: Member): BehindGate {
    let gate = this.#gates.get(member);
    if (gate === undefined) {
      gate = new BehindGate(member.device, this);
      this.#gates.set(member, gate);
    }
    return gate;
  }

  /** Takes a place if a write of so many bytes may go behind; `end` gives it back. */
  begin(bytes: number): boolean {
    if (this.#count >= this.limit || bytes > MAX_BYTES) return false;
    if (this.waitingReads > 0 || this.#waitingFlushes.length > 0) return false;
    this.#count += 1;
    return true;
  }

  end(): void {
    this.#count -= 1;
    if (this.#count > 0 || this.#waitingFlushes.length === 0) return;
    const waiting = this.#waitingFlushes;
    this.#waitingFlushes = [];
    for (const through of waiting) through();
  }

  /** As RunningLevel.whenThrough. */
  whenThrough(through: () => void): void {
    if (this.#count === 0) through();
    else this.#waitingFlushes.push(through);
  }
}
