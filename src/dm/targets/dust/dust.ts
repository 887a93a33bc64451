/**
 * dust: a device with bad blocks that are told to it by message; reading one fails, writing one mends it. `DEVICE OFFSET BLOCK-BYTES`
 *
 * Facts: drivers/md/dm-dust.c. Blocks are counted from the start of the device, not of the target; a bio is judged by the block it begins in.
 * Unlike the kernel's, a flush mends nothing: it is of no block.
 */
import { HoldfastError } from "../../../base/errors.ts";
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { Bio } from "../../../block/bio.ts";
import type { Log } from "../../../env/env.ts";
import { OneDeviceTarget, checkRange } from "../../one-device-target.ts";
import { quoteWord } from "../../table.ts";
import type { Target, TargetContext, TargetDevice, TargetType } from "../../target.ts";
import { Words } from "../../words.ts";

const MAX_BLOCK_BYTES = 2 ** 30;
const MAX_WRITE_FAILURES = 255;

class DustTarget extends OneDeviceTarget {
  override readonly splitSectors: number;
  readonly #log: Log;
  readonly #name: string;
  /** Block -> how many writes to it will fail before one mends it. */
  readonly #bad = new Map<number, number>();
  #isEnabled = false;
  #isQuiet = false;

  constructor(
    on: TargetDevice,
    offset: number,
    blockSectors: number,
    { env, name }: TargetContext,
  ) {
    super(on, offset);
    this.splitSectors = blockSectors;
    this.#log = env.log;
    this.#name = name;
  }

  override submit(bio: Bio): void {
    const block = Math.floor((bio.sector + this.offset) / this.splitSectors);
    if (bio.op === "flush" || !this.#isEnabled || !this.#bad.has(block)) this.pass(bio);
    else if (bio.op === "read") this.#fail(bio, block);
    else this.#change(bio, block);
  }

  #change(bio: Bio, block: number): void {
    const failures = this.#bad.get(block)!;
    if (failures > 0) {
      this.#bad.set(block, failures - 1);
      this.#fail(bio, block);
      return;
    }
    this.#bad.delete(block);
    this.#tell(`block ${block} removed from badblocklist by write`);
    this.pass(bio);
  }

  #fail(bio: Bio, block: number): void {
    bio.end(new HoldfastError("io", `${this.#name}: ${bio.op} failed: block ${block} is bad.`));
  }

  #tell(text: string): void {
    if (!this.#isQuiet) this.#log.write("info", `${this.#name}: dust: ${text}`);
  }

  message(list: readonly string[]): Promise<string | null> {
    const words = new Words("dust", list);
    const verb = words.choice("the message", VERBS);
    const answer = this.#do(verb, words);
    return Promise.resolve(answer);
  }

  #do(verb: Verb, words: Words): string | null {
    switch (verb) {
      case "addbadblock":
        return this.#add(words);
      case "removebadblock":
        return this.#remove(words);
      case "queryblock": {
        const block = this.#block(words);
        words.end();
        return `dust_query_block: block ${block} ${this.#bad.has(block) ? "" : "not "}found in badblocklist`;
      }
      default:
        words.end();
        return this.#simple(verb);
    }
  }

  #simple(verb: Exclude<Verb, "addbadblock" | "removebadblock" | "queryblock">): string | null {
    switch (verb) {
      case "enable":
      case "disable":
        this.#isEnabled = verb === "enable";
        return null;
      case "quiet":
        this.#isQuiet = !this.#isQuiet;
        return null;
      case "countbadblocks":
        return `countbadblocks: ${this.#bad.size} badblock(s) found`;
      case "listbadblocks":
        return this.#list();
      case "clearbadblocks": {
        const had = this.#bad.size > 0;
        this.#bad.clear();
        return `dust_clear_badblocks: ${had ? "badblocks cleared" : "no badblocks found"}`;
      }
    }
  }

  #list(): string {
    if (this.#bad.size === 0) return "No blocks in badblocklist";
    const blocks = [...this.#bad.keys()].toSorted((a, b) => a - b);
    return blocks.map((block) => `${block}\n`).join("");
  }

  /** One behind the last is taken, as in the kernel. */
  #block(words: Words): number {
    const { sectors } = this.devices[0]!.device;
    return words.number("the block", 0, Math.floor(sectors / this.splitSectors));
  }

  #add(words: Words): null {
    const block = this.#block(words);
    if (this.#bad.has(block)) throw words.wrong("the block is in the list already");
    const failures =
      words.left === 0 ? 0 : words.number("the number of writes to fail", 0, MAX_WRITE_FAILURES);
    words.end();
    this.#bad.set(block, failures);
    this.#tell(`badblock added at block ${block} with write fail count ${failures}`);
    return null;
  }

  #remove(words: Words): null {
    const block = this.#block(words);
    if (!this.#bad.has(block)) throw words.wrong("the block is not in the list");
    words.end();
    this.#bad.delete(block);
    this.#tell(`badblock removed at block ${block}`);
    return null;
  }

  status(): string {
    const behaviour = this.#isEnabled ? "fail_read_on_bad_block" : "bypass";
    const id = quoteWord(this.devices[0]!.id);
    return `${id} ${behaviour} ${this.#isQuiet ? "quiet" : "verbose"}`;
  }

  table(): string {
    const id = quoteWord(this.devices[0]!.id);
    return `${id} ${this.offset} ${this.splitSectors * SECTOR_BYTES}`;
  }
}

const VERBS = [
  "addbadblock",
  "removebadblock",
  "queryblock",
  "enable",
  "disable",
  "quiet",
  "countbadblocks",
  "clearbadblocks",
  "listbadblocks",
] as const;
type Verb = (typeof VERBS)[number];

async function construct(context: TargetContext, words: Words): Promise<Target> {
  const word = words.word("the device");
  const offset = words.number("the offset in sectors");
  const on = await context.open(word);
  checkRange(on, offset, context.sectors, (why) => words.wrong(why));
  const largest = Math.min(MAX_BLOCK_BYTES, context.sectors * SECTOR_BYTES);
  const blockBytes = words.number("the block size in bytes", SECTOR_BYTES, largest);
  if (!Number.isInteger(Math.log2(blockBytes)))
    throw words.wrong("the block size is a power of two");
  words.end();
  return new DustTarget(on, offset, blockBytes / SECTOR_BYTES, context);
}

export const DUST: TargetType = {
  name: "dust",
  version: [1, 0, 0],
  isSingleton: false,
  construct,
};
