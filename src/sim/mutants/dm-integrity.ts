/** Integrity devices: a journal, or a bitmap, that stands for tags and data no longer, or not yet, as it must. */
import { BioFlags } from "../../block/bio.ts";
import { integrityType } from "../../dm/targets/integrity/integrity.ts";
import { INTEGRITY_PARTS } from "../../dm/targets/integrity/made-parts.ts";
import type { IntegrityParts } from "../../dm/targets/integrity/made-parts.ts";
import type { TagBuffers } from "../../dm/targets/integrity/tag-buffers.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";
import { withFlags } from "./devices.ts";
import { instead } from "./dm-targets.ts";

function made(parts: Partial<IntegrityParts>): NonNullable<Mutant["mapped"]> {
  return instead(() => [integrityType({ ...INTEGRITY_PARTS, ...parts })]);
}

/** Flushes are answered, and neither tags nor data are flushed. */
function unflushed(buffers: TagBuffers): TagBuffers {
  return standIn(buffers, { flush: (end) => end(null) });
}

export const DM_INTEGRITY_MUTANTS: readonly Mutant[] = [
  {
    name: "integrity-journal-unflushed",
    about: "sections of a journal are free while what was written back is in the device's cache",
    law: 1,
    origin: null,
    scenario: "dm-integrity-crash",
    mapped: made({
      writeBack: (journal, places, sections, end) => {
        const buffers = unflushed(places.buffers);
        return INTEGRITY_PARTS.writeBack(journal, { ...places, buffers }, sections, end);
      },
    }),
  },
  {
    name: "integrity-commit-not-durable",
    about: "a flush is answered while the sections that were committed for it are in a cache",
    law: 8,
    origin: null,
    scenario: "dm-integrity-crash",
    mapped: made({
      journalImage: (device, startSector, shape) => {
        const cached = withFlags(device, (flags) => flags & ~BioFlags.fua);
        return INTEGRITY_PARTS.journalImage(cached, startSector, shape);
      },
    }),
  },
  {
    name: "integrity-bit-cleared-unflushed",
    about: "bits are cleared while tags and data that were written under them are not durable",
    law: 1,
    origin: null,
    scenario: "dm-integrity-crash",
    mapped: made({
      cleaner: (parts, bitmap, intervalMs) => {
        const buffers = unflushed(parts.buffers);
        return INTEGRITY_PARTS.cleaner({ ...parts, buffers }, bitmap, intervalMs);
      },
    }),
  },
];
