/**
 * From devices to the members of one array: those that fit the identity asked for, or else whatever the first is a member of. A device
 * that was named and is no member of it ends the assembly, since somebody was wrong about it.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { MetadataChoice } from "../command.ts";
import { matchesPattern, sameArrayName } from "../config-match.ts";
import { parseLevel } from "../values.ts";
import { levelText } from "../../formats/md/layout-names.ts";
import { isWanted, openFailure, probeCandidate } from "./probe.ts";
import type { Candidate } from "./probe.ts";
import type { Session } from "./session.ts";

/** What an array must be to be meant; null parts may be anything. */
export interface WantedIdentity {
  readonly uuid: string | null;
  readonly name: string | null;
  readonly superMinor: number | null;
  readonly level: string | null;
  readonly raidDisks: number | null;
  /** Patterns of paths. */
  readonly devices: readonly string[] | null;
  readonly metadata: MetadataChoice | null;
}

export const ANY_IDENTITY: WantedIdentity = {
  uuid: null,
  name: null,
  superMinor: null,
  level: null,
  raidDisks: null,
  devices: null,
  metadata: null,
};

export interface Search {
  readonly wanted: WantedIdentity;
  readonly paths: readonly string[];
  /** They were named: what is none is told. */
  readonly isListed: boolean;
  readonly metadata: MetadataChoice | null;
}

export type Gathered =
  | { readonly kind: "members"; readonly members: readonly Candidate[] }
  /** It was said why. */
  | { readonly kind: "aborted" };

function isIdentified({ uuid, name, superMinor }: WantedIdentity): boolean {
  return uuid !== null || name !== null || superMinor !== null;
}

async function isMeant(
  session: Session,
  wanted: WantedIdentity,
  { superblock, absolute }: Candidate,
): Promise<string | null> {
  const { uuid, name, superMinor, devices, level, raidDisks, metadata } = wanted;
  if (uuid !== null && uuid !== superblock.arrayUuid) return "has wrong uuid.";
  if (name !== null) {
    const homehost = await session.homehost();
    if (!sameArrayName(name, superblock.name, homehost.name, homehost.required))
      return "has wrong name.";
  }
  if (superMinor !== null && superMinor !== superblock.preferredMinor)
    return "has wrong super-minor.";
  if (devices !== null && !devices.some((each) => matchesPattern(each, absolute)))
    return `is not one of ${devices.join(",")}`;
  if (level !== null && parseLevel(level) !== levelText(superblock.levelNumber))
    return "has wrong raid level.";
  if (raidDisks !== null && raidDisks !== superblock.shape?.raidDisks)
    return "requires wrong number of drives.";
  return isWanted(superblock, metadata) ? null : "has metadata of another version.";
}

/** Those that hold a superblock; "aborted" when one that was named holds none. */
async function probeAll(session: Session, search: Search): Promise<Candidate[] | "aborted"> {
  const candidates: Candidate[] = [];
  const mayLack = !search.isListed || isIdentified(search.wanted);
  for (const path of search.paths) {
    let candidate: Candidate | null = null;
    try {
      candidate = await probeCandidate(session, path, search.metadata);
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      if (search.isListed) session.warn(`cannot open device ${path}: ${openFailure(thrown)}`);
      if (mayLack) continue;
      session.warn(`${path} has no superblock - assembly aborted`);
      return "aborted";
    }
    if (candidate !== null) candidates.push(candidate);
    else {
      if (search.isListed) session.warn(`no recogniseable superblock on ${path}`);
      if (mayLack) continue;
      session.warn(`${path} has no superblock - assembly aborted`);
      return "aborted";
    }
  }
  return candidates;
}

function isSameArray(one: Candidate, other: Candidate): boolean {
  const { superblock: a } = one;
  const { superblock: b } = other;
  return (
    a.arrayUuid === b.arrayUuid &&
    (a.version === "0.90") === (b.version === "0.90") &&
    a.createdSeconds === b.createdSeconds
  );
}

/** Local ones before those of another host, where both fit. */
async function preferLocal(session: Session, fitting: readonly Candidate[]): Promise<Candidate> {
  const { name } = await session.homehost();
  const local = fitting.find(
    ({ superblock }) => name !== null && (superblock.name ?? "").startsWith(`${name}:`),
  );
  return local ?? fitting[0]!;
}

async function isBusyOf(session: Session): Promise<(candidate: Candidate) => boolean> {
  const arrays = await (await session.host()).arrays();
  const held = new Set(arrays.flatMap(({ members }) => members.map(({ path }) => path)));
  return ({ absolute }) => held.has(absolute);
}

export async function gatherMembers(session: Session, search: Search): Promise<Gathered> {
  const candidates = await probeAll(session, search);
  if (candidates === "aborted") return { kind: "aborted" };
  const isBusy = await isBusyOf(session);
  const fitting: Candidate[] = [];
  for (const candidate of candidates) {
    const why = await isMeant(session, search.wanted, candidate);
    if (why !== null) {
      if (search.isListed) session.detail(`${candidate.path} ${why}`);
    } else if (isBusy(candidate)) {
      if (search.isListed) session.warn(`${candidate.path} is busy - skipping`);
    } else fitting.push(candidate);
  }
  if (fitting.length === 0) return { kind: "members", members: [] };
  const first = isIdentified(search.wanted) ? await preferLocal(session, fitting) : fitting[0]!;
  const other = fitting.find((candidate) => !isSameArray(first, candidate));
  if (other !== undefined && search.isListed && !isIdentified(search.wanted)) {
    session.warn(`superblock on ${other.path} doesn't match others - assembly aborted`);
    return { kind: "aborted" };
  }
  return { kind: "members", members: fitting.filter((each) => isSameArray(first, each)) };
}
