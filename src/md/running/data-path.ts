/**
 * The data path of a running array: what happens to a bio from `submit` to its end (the steps are drawn in request.ts). Reads go to the level
 * at once. Changes wait where they must, and none of them ends well before every failure that it rests on is durable.
 */
import { errorIn } from "../../base/errors.ts";
import type { HoldfastError } from "../../base/errors.ts";
import { isAdmitted } from "../../block/admit.ts";
import { BioFlags } from "../../block/bio.ts";
import type { Bio } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { InFlight } from "../../block/in-flight.ts";
import { Pool } from "../../block/pool.ts";
import { readOnlyError } from "../../block/refuse.ts";
import type { RunningLevel } from "./core.ts";
import type { Eras } from "./eras.ts";
import type { Failures } from "./failures.ts";
import type { HeldWrites } from "./held-writes.ts";
import type { MemberFlush } from "./member-flush.ts";
import type { Metadata } from "./metadata.ts";
import type { Modes } from "./modes.ts";
import { Request } from "./request.ts";
import type { WriteGate } from "./write-gate.ts";

export interface DataPathOptions {
  /** Who takes the bios in: its name, size, and what it can do at the moment. */
  readonly device: Pick<BlockDevice, "name" | "sectors" | "limits">;
  readonly level: RunningLevel;
  /** Null: no superblock says whether the array is being written to. */
  readonly gate: WriteGate | null;
  readonly flush: MemberFlush;
  readonly failures: Failures;
  readonly metadata: Metadata;
  readonly modes: Modes;
  readonly held: HeldWrites;
  readonly eras: Eras;
}

export class DataPath {
  /** What its users asked for. */
  readonly foreground = { started: 0, ended: 0 };
  readonly #options: DataPathOptions;
  readonly #inFlight = new InFlight();
  readonly #requests: Pool<Request>;

  constructor(options: DataPathOptions) {
    this.#options = options;
    this.#requests = new Pool(
      () =>
        new Request({
          preflushed: (request, error) => this.#preflushed(request, error),
          letIn: (request) => this.#letIn(request),
          done: (request, error) => this.#done(request, error),
          recorded: (request) => this.#recorded(request),
        }),
    );
  }

  submit(bio: Bio): void {
    const { device, level, eras } = this.#options;
    if (!isAdmitted(device, this.#inFlight, bio)) return;
    this.foreground.started += 1;
    const request = this.#requests.take();
    request.start(bio, eras.begin());
    if (bio.op === "read") level.run(bio, request.done);
    else this.#change(request);
  }

  /** Those that were held try again, or end with the error. */
  resume(error: HoldfastError | null = null): void {
    const { device, eras, held } = this.#options;
    for (const request of held.take()) {
      request.era = eras.begin();
      const why = error ?? (device.limits.readOnly ? readOnlyError(device.name) : null);
      if (why === null) this.#change(request);
      else this.#finish(request, why);
    }
  }

  /** Nothing may be submitted any more; resolves when all that was has ended. */
  drain(): Promise<void> {
    return this.#inFlight.drain();
  }

  #change(request: Request): void {
    const { failures, flush, held, modes } = this.#options;
    const { op, sector, sectors, flags } = request.bio!;
    if (failures.broken !== null) {
      this.#finish(request, failures.broken);
      return;
    }
    if (op === "flush") {
      flush.flush(request.done);
      return;
    }
    if (held.isSuspended(sector, sectors) || modes.holdsWrite()) {
      held.hold(request);
      return;
    }
    if ((flags & BioFlags.preflush) === 0) this.#enter(request);
    else flush.flush(request.preflushed);
  }

  #preflushed(request: Request, error: HoldfastError | null): void {
    if (error === null) this.#enter(request);
    else this.#finish(request, error);
  }

  #enter(request: Request): void {
    const { gate } = this.#options;
    if (gate === null) {
      this.#letIn(request);
      return;
    }
    request.isInside = true;
    gate.enter(request.letIn);
  }

  #letIn(request: Request): void {
    const { failures, level } = this.#options;
    // What should have said "dirty" may have failed to be written.
    if (failures.broken === null) level.run(request.flushedBio, request.done);
    else this.#done(request, failures.broken);
  }

  /** The level, or a flush, is done. */
  #done(request: Request, error: HoldfastError | null): void {
    const { gate, metadata } = this.#options;
    if (request.isInside) {
      request.isInside = false;
      gate!.leave();
    }
    if (request.bio!.op === "read") {
      this.#finish(request, error);
      return;
    }
    // It may have left out a member of whose failure no superblock tells yet. Told of success before that, the client would find
    // that member in use again after a crash, without what it wrote (law 3).
    request.error = error;
    if (metadata.isRecording) metadata.whenRecorded(request.recorded);
    else this.#recorded(request);
  }

  #recorded(request: Request): void {
    this.#finish(request, request.error ?? this.#options.failures.broken);
  }

  #finish(request: Request, error: HoldfastError | null): void {
    const { device, eras } = this.#options;
    const era = request.era!;
    const bio = request.finish();
    this.foreground.ended += 1;
    this.#requests.give(request);
    this.#inFlight.end();
    eras.end(era);
    bio.end(error === null ? null : errorIn(device.name, error));
  }
}
