/** The scenarios, in the order in which they are listed and played. A new one is one line here and one file in this folder. */
import type { Scenario } from "../scenario.ts";
import { CLONE_SCENARIOS } from "./dm-clone.ts";
import { INTEGRITY_SCENARIOS } from "./dm-integrity.ts";
import { RAID_SCENARIOS } from "./dm-raid.ts";
import { SNAPSHOT_SCENARIOS } from "./dm-snapshot.ts";
import { THIN_SCENARIOS } from "./dm-thin.ts";
import { MIRROR_SCENARIOS } from "./dm-mirror.ts";
import { LAW_SCENARIOS } from "./laws.ts";
import { CRASH, CRASHES, MIXED, POWER_CUT } from "./mixed.ts";
import { NBD } from "./nbd.ts";
import { RARE_SCENARIOS } from "./rare.ts";

export const SCENARIOS: readonly Scenario[] = [
  CRASH,
  CRASHES,
  POWER_CUT,
  MIXED,
  NBD,
  ...LAW_SCENARIOS,
  ...RARE_SCENARIOS,
  ...MIRROR_SCENARIOS,
  ...CLONE_SCENARIOS,
  ...THIN_SCENARIOS,
  ...SNAPSHOT_SCENARIOS,
  ...RAID_SCENARIOS,
  ...INTEGRITY_SCENARIOS,
];
