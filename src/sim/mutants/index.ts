/** The mutants, in the order in which they are listed: the one place to add a family. */
import type { Mutant } from "../mutant.ts";
import { ASSEMBLY_MUTANTS } from "./assembly.ts";
import { BITMAP_MUTANTS } from "./bitmap.ts";
import { FLUSH_MUTANTS } from "./flushes.ts";
import { KEPT_MUTANTS } from "./kept.ts";
import { DM_DEVICE_MUTANTS } from "./dm-devices.ts";
import { DM_INTEGRITY_MUTANTS } from "./dm-integrity.ts";
import { DM_METADATA_MUTANTS } from "./dm-metadata.ts";
import { DM_MIRROR_MUTANTS } from "./dm-mirror.ts";
import { LEVEL_MUTANTS } from "./levels.ts";
import { LOG_MUTANTS } from "./logs.ts";
import { NBD_MUTANTS } from "./nbd.ts";
import { RETURNING_MUTANTS } from "./returning.ts";
import { SUPERBLOCK_MUTANTS } from "./superblocks.ts";
import { SYNC_MUTANTS } from "./sync.ts";

export const MUTANTS: readonly Mutant[] = [
  ...BITMAP_MUTANTS,
  ...SUPERBLOCK_MUTANTS,
  ...ASSEMBLY_MUTANTS,
  ...RETURNING_MUTANTS,
  ...SYNC_MUTANTS,
  ...LEVEL_MUTANTS,
  ...LOG_MUTANTS,
  ...FLUSH_MUTANTS,
  ...NBD_MUTANTS,
  ...KEPT_MUTANTS,
  ...DM_MIRROR_MUTANTS,
  ...DM_METADATA_MUTANTS,
  ...DM_INTEGRITY_MUTANTS,
  ...DM_DEVICE_MUTANTS,
];
