/** Clients: they write, read and flush the array through its bios or over NBD, and hold it to what it has promised. */
import type { HoldfastError } from "../base/errors.ts";
import { NO_DATA } from "../base/nothing.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { Bio, BioFlags } from "../block/bio.ts";
import { flush, writeSectors } from "../block/promises.ts";
import type { Oracle, Writing } from "./oracle.ts";
import type { Action } from "./script.ts";
import { Seats } from "./seats.ts";
import type { Seat, Served } from "./seats.ts";
import type { Link } from "./sockets.ts";

/** More sectors than that are not written at a time. */
const MOST_BUSY = 128;

type Request = Pick<Bio, "op" | "sector" | "sectors" | "data" | "flags">;

const FLUSH: Request = { op: "flush", sector: 0, sectors: 0, data: NO_DATA, flags: 0 };

/** Sectors that a discard concerns, and what they hold afterwards. */
export interface Discarded {
  readonly from: number;
  readonly to: number;
  readonly becomes: "zeros" | "anything";
}

export class Clients {
  readonly seats: Seats;
  readonly #machine: Served;
  readonly #oracle: Oracle;
  /** What they were told that was wrong. */
  readonly wrong: string[] = [];
  readonly #underWay = new Set<Writing>();
  /** How many sectors of them the array has been asked for. */
  readonly #arrived = new Map<Writing, number>();
  /** Their connection is lost: they may arrive as long as the server has it or works for it. */
  readonly #orphans = new Map<Writing, Link>();
  #unanswered = 0;
  #waiting: (() => void)[] = [];
  /** Sectors of which the writer has something newer than what was written. */
  readonly #altered = new Set<number>();

  constructor(machine: Served, oracle: Oracle) {
    this.#machine = machine;
    this.#oracle = oracle;
    this.seats = new Seats(machine);
    this.seats.onServerGone = () => this.#settleOrphans();
    machine.watcher = {
      arrived: (sector, sectors) => this.#noteArrived(sector, sectors),
      ended: () => this.#settleOrphans(),
    };
  }

  /** Writes that have not been answered. */
  get writes(): number {
    return this.#underWay.size;
  }

  write({ sector, sectors, ...how }: Extract<Action, { readonly do: "write" }>): void {
    const { world } = this.#machine;
    const { fua: isFua = false, preflush: isPreflush = false, zeros: isZeros = false } = how;
    const seat = this.seats.any();
    if (seat === null || this.#oracle.busy.size + sectors > MOST_BUSY) return;
    const write = this.#oracle.begin(sector, sectors, isZeros);
    if (write === null) return;
    this.#underWay.add(write);
    const flags = (isFua ? BioFlags.fua : 0) | (isPreflush ? BioFlags.preflush : 0);
    const words = `${isFua ? " fua" : ""}${isPreflush ? " preflush" : ""}${isZeros ? " zeros" : ""}`;
    world.say(`write ${write.low}: ${sector}+${sectors}${words}`);
    const flushed = isPreflush ? this.#oracle.flush() : null;
    const hasZeroes = isZeros && seat.device.limits.writeZeroes;
    const what: Request = hasZeroes
      ? { op: "write-zeroes", sector, sectors, data: NO_DATA, flags }
      : { op: "write", sector, sectors, data: write.data, flags };
    this.#ask(
      seat,
      what,
      () => {
        this.#underWay.delete(write);
        world.say(`write ${write.low} done`);
        flushed?.();
        this.#oracle.acknowledge(write, isFua);
        this.#noteAltered(write);
      },
      (error) => {
        this.#underWay.delete(write);
        world.say(`write ${write.low} failed: ${error.message}`);
        if (seat.link?.client.isGone === true) this.#orphan(write, seat.link);
        else this.#oracle.fail(write);
      },
    );
  }

  /** @param becomes what its volume says of it */
  discard(sector: number, sectors: number, { from, to, becomes }: Discarded): void {
    const oracle = this.#oracle;
    const { world } = this.#machine;
    const seat = this.seats.any();
    if (seat === null || !seat.device.limits.discard) return;
    const write = to > from ? oracle.begin(from, to - from, true) : null;
    if (to > from && write === null) return;
    if (write !== null) this.#underWay.add(write);
    world.say(`discard: ${sector}+${sectors}`);
    if (becomes === "anything") for (let at = from; at < to; at += 1) oracle.lose(at);
    const over = (isDone: boolean): void => {
      world.say(`discard of ${sector}+${sectors} ${isDone ? "done" : "failed"}`);
      if (write === null) return;
      this.#underWay.delete(write);
      if (isDone && becomes === "zeros") oracle.acknowledge(write, false);
      else oracle.fail(write);
    };
    const what: Request = { op: "discard", sector, sectors, data: NO_DATA, flags: 0 };
    this.#ask(
      seat,
      what,
      () => over(true),
      () => over(false),
    );
  }

  /** Changes the buffers of all writes under way. */
  alter(): void {
    for (const write of this.#underWay) {
      if (write.isZeros) continue;
      this.#oracle.alter(write);
      this.#machine.world.say(`write ${write.low} becomes ${write.high} under way`);
    }
  }

  /** Its buffer is not what was written: it is to be written again. */
  #noteAltered({ low, high, sector, sectors }: Writing): void {
    for (let at = sector; at < sector + sectors; at += 1)
      if (high > low) this.#altered.add(at);
      else this.#altered.delete(at);
  }

  /** Writes what was changed under way again, and flushes; true: nobody has changed anything since. */
  async writeAltered(): Promise<boolean> {
    const { front } = this.#machine;
    if (front === null) return false;
    for (const first of this.#altered) {
      let end = first;
      while (this.#altered.has(end) && end - first < 8) end += 1;
      const write = this.#oracle.begin(first, end - first);
      // Somebody writes there: that it was altered is known as long as it is so.
      if (write === null) return false;
      this.#machine.world.say(`write ${write.low}: ${first}+${end - first} again`);
      try {
        await writeSectors(front, first, write.data);
      } catch (error) {
        this.#oracle.fail(write);
        throw error;
      }
      this.#oracle.acknowledge(write, false);
      this.#noteAltered(write);
    }
    await flush(front);
    return this.#altered.size === 0;
  }

  flush(): void {
    const { world } = this.#machine;
    const seat = this.seats.any();
    if (seat === null) return;
    const flushed = this.#oracle.flush();
    world.say("flush");
    this.#ask(
      seat,
      FLUSH,
      () => {
        world.say("flushed");
        flushed();
      },
      (error) => world.say(`flush failed: ${error.message}`),
    );
  }

  read(sector: number, sectors: number): void {
    const seat = this.seats.any();
    if (seat === null) return;
    const least = this.#oracle.floors(sector, sectors, "acknowledged");
    const data = new Uint8Array(sectors * SECTOR_BYTES);
    this.#ask(
      seat,
      { op: "read", sector, sectors, data, flags: 0 },
      () => {
        const wrong = this.#oracle.wrongIn(sector, data, least);
        this.wrong.push(...wrong.map((text) => `a client reads: ${text}`));
      },
      (error) => {
        // Who is turned away, or whose connection is lost, has read nothing.
        if (seat.link?.client.isGone === true || error.code === "shutdown") return;
        if (this.#machine.mayFail?.() === true) return;
        this.wrong.push(`a client cannot read ${sector}+${sectors}: ${error.message}`);
      },
    );
  }

  /** All that was asked is answered, or can be answered no more. */
  async whenAnswered(): Promise<void> {
    while (this.#unanswered > 0 || this.#orphans.size > 0)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** They die with the process, or are cut off from it. */
  crash(): void {
    this.#underWay.clear();
    this.#arrived.clear();
    this.#orphans.clear();
    this.#altered.clear();
    this.#unanswered = 0;
    this.#changed();
  }

  #noteArrived(sector: number, sectors: number): void {
    for (const write of this.#underWay)
      if (write.sector < sector + sectors && sector < write.sector + write.sectors)
        this.#arrived.set(write, (this.#arrived.get(write) ?? 0) + sectors);
  }

  /** Nobody tells what has become of it (law 7 forbids that where the server closes by itself). */
  #orphan(write: Writing, link: Link): void {
    const hasArrived = this.#arrived.get(write) === write.sectors;
    if (hasArrived && !link.wasBroken && this.#machine.service?.isImpatient !== true)
      this.wrong.push(`write ${write.low} had arrived, and its client was left without an answer`);
    this.#orphans.set(write, link);
    this.#settleOrphans();
  }

  #settleOrphans(): void {
    const { service } = this.#machine;
    for (const [write, link] of this.#orphans) {
      const { sector, sectors } = write;
      if (!link.server.isGone || service?.isWriting(sector, sectors) === true) continue;
      this.#machine.world.say(`write ${write.low} is over`);
      this.#orphans.delete(write);
      this.#oracle.fail(write);
    }
    this.#changed();
  }

  #changed(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Only what is answered by the process that was asked counts. */
  #ask(
    { device }: Seat,
    { op, sector, sectors, data, flags }: Request,
    well: () => void,
    badly: (error: HoldfastError) => void,
  ): void {
    const { life } = this.#machine;
    this.#unanswered += 1;
    const ended = (error: HoldfastError | null): void => {
      if (life !== this.#machine.life || !this.#machine.isRunning) return;
      this.#unanswered -= 1;
      if (error === null) well();
      else badly(error);
      this.#changed();
    };
    device.submit(new Bio(op, sector, sectors, data, flags, ended));
  }
}
