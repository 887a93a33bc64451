/**
 * Reading a run of sectors of several members at a time, into memory in which the kernels are fast, to look at once whether all is as it
 * should be there. Nothing is repaired or listed: whatever is out of the ordinary is for others, from the start.
 */
import { SECTOR_BYTES } from "../../../base/units.ts";
import type { HoldfastError } from "../../../base/errors.ts";
import { NO_DATA } from "../../../base/nothing.ts";
import type { BioEnd } from "../../../block/bio.ts";
import { Pool } from "../../../block/pool.ts";
import type { Pooled } from "../../../block/pool.ts";
import { WorkBuffers } from "../../../parity/engine.ts";
import type { ArrayCore } from "../core.ts";
import type { Member } from "../member.ts";
import { MemberIo } from "./stripes/member-io.ts";

/** @param isRight false: it is not, or that cannot be told here */
export type RunEnd = (isRight: boolean) => void;

function ignore(): void {}

/** Filled in by whoever took it, from `members` to `sectors`. */
export class RunRead implements Pooled {
  isSpare = false;
  /** Who is read, the first `count` of them, and from which member sector. */
  readonly members: Member[] = [];
  readonly starts: number[] = [];
  count = 0;
  /** Of each. */
  sectors = 0;
  /** What they hold there. */
  readonly blocks: Uint8Array[] = [];
  readonly buffers: WorkBuffers;
  /** Reads not ended, and one for whoever starts them. */
  pending = 0;
  hasFailed = false;
  end: RunEnd = ignore;
  readonly read: BioEnd;

  constructor(reads: RunReads, buffers: WorkBuffers) {
    this.buffers = buffers;
    this.read = (error) => reads.read(this, error);
  }

  add(member: Member, memberSector: number): void {
    this.members[this.count] = member;
    this.starts[this.count] = memberSector;
    this.count += 1;
  }
}

export class RunReads {
  readonly #isRight: (run: RunRead) => boolean;
  readonly #io = new MemberIo();
  readonly #runs: Pool<RunRead>;

  /** @param isRight what was read, of members that are still in sync */
  constructor({ parity }: Pick<ArrayCore, "parity">, isRight: (run: RunRead) => boolean) {
    this.#isRight = isRight;
    this.#runs = new Pool(() => new RunRead(this, new WorkBuffers(parity())));
  }

  take(): RunRead {
    const run = this.#runs.take();
    run.count = 0;
    return run;
  }

  giveBack(run: RunRead): void {
    run.buffers.giveBack();
    run.blocks.fill(NO_DATA);
    run.end = ignore;
    this.#runs.give(run);
  }

  start(run: RunRead, end: RunEnd): void {
    const { members, starts, blocks, buffers, count, sectors } = run;
    run.end = end;
    run.hasFailed = false;
    run.pending = count + 1;
    for (let index = 0; index < count; index += 1)
      blocks[index] = buffers.take(sectors * SECTOR_BYTES);
    for (let index = 0; index < count; index += 1)
      this.#io.read(members[index]!, starts[index]!, blocks[index]!, run.read);
    this.read(run, null);
  }

  read(run: RunRead, error: HoldfastError | null): void {
    if (error !== null) run.hasFailed = true;
    run.pending -= 1;
    if (run.pending > 0) return;
    const isRight = !run.hasFailed && areInSync(run) && this.#isRight(run);
    const { end } = run;
    this.giveBack(run);
    end(isRight);
  }
}

function areInSync({ members, count }: RunRead): boolean {
  for (let index = 0; index < count; index += 1) if (!members[index]!.isInSync) return false;
  return true;
}
