/** The target types there are. A new one is a folder here and a line in the list. */
import { HoldfastError } from "../../base/errors.ts";
import type { TargetType } from "../target.ts";
import { CLONE } from "./clone/clone.ts";
import { DELAY } from "./delay/delay.ts";
import { DUST } from "./dust/dust.ts";
import { ERROR } from "./error/error.ts";
import { FLAKEY } from "./flakey/flakey.ts";
import { INTEGRITY } from "./integrity/integrity.ts";
import { LINEAR } from "./linear/linear.ts";
import { LOG_WRITES } from "./log-writes/log-writes.ts";
import { MIRROR } from "./mirror/mirror.ts";
import { RAID } from "./raid/raid.ts";
import { SNAPSHOT_MERGE } from "./snapshot-merge/snapshot-merge.ts";
import { SNAPSHOT_ORIGIN } from "./snapshot-origin/snapshot-origin.ts";
import { SNAPSHOT } from "./snapshot/snapshot.ts";
import { STRIPED } from "./striped/striped.ts";
import { THIN_POOL } from "./thin-pool/thin-pool.ts";
import { THIN } from "./thin/thin.ts";
import { ZERO } from "./zero/zero.ts";

export const TARGET_TYPES: readonly TargetType[] = [
  CLONE,
  DELAY,
  DUST,
  ERROR,
  FLAKEY,
  INTEGRITY,
  LINEAR,
  LOG_WRITES,
  MIRROR,
  RAID,
  SNAPSHOT,
  SNAPSHOT_MERGE,
  SNAPSHOT_ORIGIN,
  STRIPED,
  THIN,
  THIN_POOL,
  ZERO,
];

/** @throws HoldfastError `unsupported` with the names there are */
export function targetType(name: string): TargetType {
  const type = TARGET_TYPES.find((each) => each.name === name);
  if (type !== undefined) return type;
  const names = TARGET_TYPES.map((each) => each.name).join(", ");
  throw new HoldfastError("unsupported", `There is no target "${name}" here; there are ${names}.`);
}
