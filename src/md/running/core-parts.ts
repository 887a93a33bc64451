/**
 * CoreParts: who makes what all running arrays are made of. The real ones are the default; whoever tries the array out puts others in their
 * place, and nothing in here knows of it.
 */
import { RangeLock } from "../../block/range-lock.ts";
import { MemberFlush } from "./member-flush.ts";
import { Metadata } from "./metadata.ts";
import type { MetadataOptions } from "./metadata.ts";
import { WriteGate } from "./write-gate.ts";

export interface CoreParts {
  readonly metadata: (options: MetadataOptions) => Metadata;
  readonly gate: (...options: ConstructorParameters<typeof WriteGate>) => WriteGate;
  readonly flush: (...options: ConstructorParameters<typeof MemberFlush>) => MemberFlush;
  readonly locks: () => RangeLock;
}

export const CORE_PARTS: CoreParts = {
  metadata: (options) => new Metadata(options),
  gate: (...options) => new WriteGate(...options),
  flush: (...options) => new MemberFlush(...options),
  locks: () => new RangeLock(),
};
