/**
 * log-writes: passes everything on and keeps a log of it on another device, to replay what the first one would hold after a power failure at any
 * moment. `DEVICE LOG-DEVICE`; the message `mark TEXT` puts a mark into the log.
 *
 * Facts: drivers/md/dm-log-writes.c. A write is logged when a flush that came after its end has ended, a FUA write when it has ended itself.
 * docs/kernel/dm-test-targets.md has where this target differs.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { Bio, BioFlags } from "../../../block/bio.ts";
import { OneDeviceTarget, checkRange } from "../../one-device-target.ts";
import { quoteWord } from "../../table.ts";
import type {
  Target,
  TargetContext,
  TargetDevice,
  TargetLimits,
  TargetType,
} from "../../target.ts";
import { Words } from "../../words.ts";
import { WriteLog } from "./write-log.ts";
import type { LogBlock } from "./write-log.ts";

const END_MARK = "dm-log-writes-end";

class LogWritesTarget extends OneDeviceTarget {
  override readonly devices: readonly TargetDevice[];
  readonly #log: WriteLog;
  /** Ended, and no flush came since. */
  #unflushed: LogBlock[] = [];
  #wasLive = false;

  constructor(on: TargetDevice, log: TargetDevice, { env, name }: TargetContext) {
    super(on, 0);
    this.devices = [on, log];
    this.#log = new WriteLog(log.device, (message) =>
      env.log.write("error", `${name}: nothing more is logged on ${log.id}: ${message}`),
    );
  }

  /** Discards are logged where the device has none, too. */
  override get limits(): TargetLimits {
    return { ...super.limits, discard: true, writeZeroes: false };
  }

  override submit(bio: Bio): void {
    if (bio.op === "read") {
      this.pass(bio);
      return;
    }
    const block = this.#log.take(bio);
    const before = bio.op === "flush" ? this.#unflushed.splice(0) : [];
    const logged = new Bio(bio.op, bio.sector, bio.sectors, bio.data, bio.flags, (error) => {
      if (error === null) this.#ended(bio, before, block);
      else this.#failed(before, block);
      bio.end(error);
    });
    if (bio.op === "discard" && !super.limits.discard) logged.end(null);
    else this.pass(logged);
  }

  #ended(bio: Bio, before: readonly LogBlock[], block: LogBlock | null): void {
    const blocks = block === null ? before : [...before, block];
    const isDurable = bio.op === "flush" || (bio.flags & BioFlags.fua) !== 0;
    if (isDurable) this.#log.append(blocks);
    else this.#unflushed.push(...blocks);
  }

  /** Nobody may count on a write that failed; what a flush did not make durable waits for the next. */
  #failed(before: readonly LogBlock[], block: LogBlock | null): void {
    this.#unflushed = [...before, ...this.#unflushed];
    if (block !== null) this.#log.drop(block);
  }

  async message(list: readonly string[]): Promise<null> {
    const words = new Words("log-writes", list);
    words.choice("the message", ["mark"]);
    const text = words.word("the text of the mark");
    words.end();
    const block = this.#log.takeMark(text);
    if (block !== null) this.#log.append([block]);
    await this.#log.idle();
    if (block === null || this.#log.hasFailed)
      throw new HoldfastError("no-space", `The mark is not in the log: nothing more is logged.`);
    return null;
  }

  resume(): void {
    this.#wasLive = true;
  }

  postsuspend(): Promise<void> {
    return this.#log.idle();
  }

  status(): string {
    const disabled = this.#log.isTaking ? "" : " logging_disabled";
    return `${this.#log.entries} ${this.#log.nextSector - 1}${disabled}`;
  }

  table(): string {
    return this.devices.map(({ id }) => quoteWord(id)).join(" ");
  }

  /** What no flush came for is in the log as well, with a mark that tells that this is the end. */
  override async close(): Promise<void> {
    if (!this.#wasLive || this.devices[1]!.device.limits.readOnly) return;
    const end = this.#log.takeMark(END_MARK);
    this.#log.append([...this.#unflushed.splice(0), ...(end === null ? [] : [end])]);
    await this.#log.idle();
  }
}

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const word = words.word("the device");
  const on = await context.open(word);
  checkRange(on, 0, context.sectors, (why) => words.wrong(why));
  const log = await context.open(words.word("the log device"));
  if (log.key === on.key) throw words.wrong("a device does not keep the log of itself");
  words.end();
  return new LogWritesTarget(on, log, context);
}

export const LOG_WRITES: TargetType = {
  name: "log-writes",
  version: [1, 1, 0],
  isSingleton: false,
  construct,
};
