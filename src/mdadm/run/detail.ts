/** mdadm --detail and --query. */
import { HoldfastError } from "../../base/errors.ts";
import { levelText } from "../../formats/md/layout-names.ts";
import { MD_LEVEL_BY_NUMBER } from "../../formats/md/superblock.ts";
import { survival } from "../../md/enough.ts";
import { isRunning, slotsInSync } from "../../md/view/array-view.ts";
import type { ArrayView } from "../../md/view/array-view.ts";
import type { MiscCommand } from "../command.ts";
import { detailBriefText, detailExportText, detailText } from "../detail-text.ts";
import { queryText } from "../query-text.ts";
import type { QueriedArray, QueriedMember } from "../query-text.ts";
import { arrayKey, looksLikeArray } from "./array-name.ts";
import { openFailure, probeCandidate } from "./probe.ts";
import type { Candidate } from "./probe.ts";
import type { Session } from "./session.ts";

/** Can the level work with the members that are in sync? */
function hasEnough(view: ArrayView): boolean {
  const level = MD_LEVEL_BY_NUMBER.get(view.level);
  if (level === undefined) return false;
  const { layout, raidDisks, chunkBytes } = view;
  // A raid1 has no chunks, and nobody asks it where they are.
  const shape = { level, layout, raidDisks, chunkSectors: chunkBytes / 512 };
  return survival(shape, slotsInSync(view)).survives;
}

/** What --test makes the exit code of. */
const TEST_DEGRADED = 1;
const TEST_FAILED = 2;
const TEST_UNKNOWN = 4;

function testCode(view: ArrayView): number {
  if (slotsInSync(view).every(Boolean)) return 0;
  return hasEnough(view) ? TEST_DEGRADED : TEST_FAILED;
}

async function show(session: Session, view: ArrayView): Promise<number> {
  const { common } = session;
  session.result({ array: view });
  if (common.export) session.print(detailExportText(view));
  else if (common.brief) session.print(detailBriefText(view, session.isVerbose));
  else {
    const { name } = await session.homehost();
    session.print(detailText(view, { homehost: name, hasEnough: hasEnough(view) }));
  }
  return common.test ? testCode(view) : 0;
}

async function whyNoArray(session: Session, path: string): Promise<string> {
  if (looksLikeArray(path)) return `cannot open ${path}: No such file or directory`;
  const found = await session.env.files.stat(session.absolute(path));
  return found === null
    ? `cannot open ${path}: No such file or directory`
    : `${path} does not appear to be an md device`;
}

export async function runDetail(session: Session, path: string): Promise<number> {
  const host = await session.host();
  const refused = session.common.test ? TEST_UNKNOWN : 1;
  if (!looksLikeArray(path) && path.includes("/"))
    return session.refuse(refused, await whyNoArray(session, path));
  try {
    return await show(session, await host.array(arrayKey(path)));
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError) || thrown.code !== "not-found") throw thrown;
    return session.refuse(refused, await whyNoArray(session, path));
  }
}

/** Every array, a line each unless told otherwise. */
export async function runDetailScan(session: Session): Promise<number> {
  let code = 0;
  for (const view of await (await session.host()).arrays()) code |= await show(session, view);
  return code;
}

function queriedArray(view: ArrayView | undefined, isName: boolean): QueriedArray {
  if (view === undefined) return { kind: isName ? "inactive" : "none" };
  if (!isRunning(view)) return { kind: "inactive" };
  const spares = view.members.filter(
    ({ slot, faulty, journal }) => slot === null && !faulty && !journal,
  );
  return {
    kind: "active",
    arrayBytes: view.arrayKib * 1024,
    level: levelText(view.level),
    raidDisks: view.raidDisks,
    spares: spares.length,
  };
}

function queriedMember(candidate: Candidate, arrays: readonly ArrayView[]): QueriedMember {
  const { superblock, absolute } = candidate;
  const view = arrays.find(({ uuid }) => uuid === superblock.arrayUuid);
  const isIn = view?.members.some(({ path }) => path === absolute) ?? false;
  return {
    number: superblock.deviceNumber,
    raidDisks: superblock.shape?.raidDisks ?? 0,
    level: levelText(superblock.levelNumber),
    activity: view === undefined ? "inactive" : isIn ? "active" : "mismatch",
    arrayPath: view?.path ?? null,
  };
}

export async function runQuery(
  session: Session,
  { metadata }: MiscCommand,
  path: string,
): Promise<number> {
  const isName = looksLikeArray(path) || !path.includes("/");
  const isFile = (await session.env.files.stat(session.absolute(path))) !== null;
  const arrays = (await (await session.hostIfAny())?.arrays()) ?? [];
  const key = isName && !isFile ? arrayKey(path) : path;
  const view = arrays.find((each) => isCalled(each, key));
  if (view === undefined && !isFile)
    return session.refuse(1, `cannot open ${path}: No such file or directory`);
  const candidate = isFile ? await candidateOf(session, path, metadata) : null;
  if (typeof candidate === "string") return session.refuse(1, candidate);
  const array = queriedArray(view, false);
  const member = candidate === null ? null : queriedMember(candidate, arrays);
  session.result({ path, array, member });
  session.print(queryText(path, array, member));
  return 0;
}

function isCalled({ kernelName, path }: ArrayView, key: string): boolean {
  return key === path || key === kernelName || key === `/dev/${kernelName}`;
}

/** A text: why it cannot be opened. */
async function candidateOf(
  session: Session,
  path: string,
  metadata: MiscCommand["metadata"],
): Promise<Candidate | string | null> {
  try {
    return await probeCandidate(session, path, metadata);
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return `cannot open ${path}: ${openFailure(thrown)}`;
  }
}
