/**
 * CoreParts: who makes what all running arrays are made of. The real ones are the default; whoever tries the array out puts others in their
 * place, and nothing in here knows of it.
 */
import { RangeLock } from "../../block/range-lock.ts";
import type { Clock, Timers } from "../../env/env.ts";
import { MemberFlush } from "./member-flush.ts";
import type { FlushFailed } from "./member-flush.ts";
import type { Members } from "./members.ts";
import { Metadata } from "./metadata.ts";
import type { ArrayRecord, MetadataOptions } from "./metadata.ts";
import { WriteGate } from "./write-gate.ts";

export interface CoreParts {
  readonly metadata: (options: MetadataOptions) => Metadata;
  readonly gate: (
    record: ArrayRecord,
    metadata: Metadata,
    env: { readonly clock: Clock; readonly timers: Timers },
  ) => WriteGate;
  readonly flush: (members: Members, failed: FlushFailed) => MemberFlush;
  readonly locks: () => RangeLock;
}

export const CORE_PARTS: CoreParts = {
  metadata: (options) => new Metadata(options),
  gate: (record, metadata, env) => new WriteGate(record, metadata, env),
  flush: (members, failed) => new MemberFlush(members, failed),
  locks: () => new RangeLock(),
};
