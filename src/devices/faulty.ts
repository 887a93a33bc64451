/**
 * A device that fails on command, for tests: ranges that cannot be read or written, a cable that is pulled and put back,
 * bios that are held until somebody lets them go. Nothing here depends on time or chance.
 */
import { HoldfastError } from "../base/errors.ts";
import type { Bio, BioOp } from "../block/bio.ts";
import { DeviceOver } from "../block/over.ts";

interface Fault {
  readonly ops: readonly BioOp[];
  readonly start: number;
  readonly end: number;
}

const READS: readonly BioOp[] = ["read"];
const CHANGES: readonly BioOp[] = ["write", "discard", "write-zeroes"];

export class FaultyDevice extends DeviceOver {
  #faults: Fault[] = [];
  #flushFails = false;
  #isGone = false;
  #holds: ((bio: Bio) => boolean) | null = null;
  readonly #held: Bio[] = [];

  /** Reads that touch the range end with `io`, until `heal`; sectors that are written become readable. */
  failReads(sector: number, sectors: number): void {
    this.#faults.push({ ops: READS, start: sector, end: sector + sectors });
  }

  /** Writes, discards and write-zeroes that touch the range end with `io` and change nothing. */
  failWrites(sector: number, sectors: number): void {
    this.#faults.push({ ops: CHANGES, start: sector, end: sector + sectors });
  }

  failFlushes(): void {
    this.#flushFails = true;
  }

  /** Forgets all faults; a device that is gone stays gone. */
  heal(): void {
    this.#faults = [];
    this.#flushFails = false;
  }

  /** From now on everything ends with `io`, what is held too. */
  vanish(): void {
    this.#isGone = true;
    this.release();
  }

  /** It is there again, with the contents it had. */
  comeBack(): void {
    this.#isGone = false;
  }

  /** Holds every later bio (that `which` chooses) instead of passing it on. */
  hold(which: (bio: Bio) => boolean = () => true): void {
    this.#holds = which;
  }

  /** Bios held, oldest first. */
  get held(): readonly Bio[] {
    return this.#held;
  }

  /** Passes on the held bio at `index`. */
  releaseOne(index: number): void {
    const [bio] = this.#held.splice(index, 1);
    if (bio !== undefined) this.#passOn(bio);
  }

  /** Holds nothing any more and passes on what was held, in order. */
  release(): void {
    this.#holds = null;
    for (const bio of this.#held.splice(0)) this.#passOn(bio);
  }

  submit(bio: Bio): void {
    if (this.#holds?.(bio) === true) this.#held.push(bio);
    else this.#passOn(bio);
  }

  #passOn(bio: Bio): void {
    if (this.#isGone) {
      bio.end(new HoldfastError("io", `${this.name} is gone.`));
      return;
    }
    if (bio.op === "flush" && this.#flushFails) {
      bio.end(new HoldfastError("io", `${this.name} could not flush its cache.`));
      return;
    }
    const end = bio.sector + bio.sectors;
    const fault = this.#faults.find(
      (one) => one.ops.includes(bio.op) && bio.sector < one.end && one.start < end,
    );
    if (fault !== undefined) {
      const at = Math.max(bio.sector, fault.start);
      bio.end(new HoldfastError("io", `${this.name}: ${bio.op} failed at sector ${at}.`));
      return;
    }
    if (bio.op === "write") this.#mend(bio.sector, end);
    this.inner.submit(bio);
  }

  /** A disk puts another sector in the place of one that it could not read when it is written. */
  #mend(start: number, end: number): void {
    this.#faults = this.#faults.flatMap((fault) => {
      if (fault.ops !== READS || start >= fault.end || fault.start >= end) return [fault];
      const parts = [
        { ...fault, end: Math.min(fault.end, start) },
        { ...fault, start: Math.max(fault.start, end) },
      ];
      return parts.filter((part) => part.start < part.end);
    });
  }

  override close(): Promise<void> {
    this.release();
    return super.close();
  }
}
