/**
 * One request to the kernel, made once and used again and again by its owner.
 *
 *   idle --ring.start--> waiting (no room) --> flying --completion--> idle
 *
 * While it is not idle it keeps reachable what the kernel may write to. An accept that accepts many completes often:
 * it is idle only after the completion without CQE_MORE.
 */

/** Is told the result (negative: an errno with its sign changed) and the flags of the completion. */
export interface Completed {
  completed(operation: Operation, result: number, flags: number): void;
}

export class Operation {
  readonly owner: Completed;
  state: "idle" | "waiting" | "flying" = "idle";
  opcode = 0;
  /** SQE_ASYNC or none. */
  flags = 0;
  ioprio = 0;
  descriptor = -1;
  address = 0;
  length = 0;
  /** The file offset; for connect the length of the address. */
  offset = 0;
  opFlags = 0;
  /** Memory the kernel uses for it. */
  keeps: unknown = null;
  /** Its place in the ring's table while it is flying. */
  slot = -1;

  constructor(owner: Completed) {
    this.owner = owner;
  }
}
