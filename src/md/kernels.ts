/**
 * Which Linux kernels take a set, from what its superblocks use: the releases that every fact of kernel-facts.ts allows,
 * and what makes a kernel refuse it whatever its release.
 */
import { survival } from "./enough.ts";
import { needsBackup } from "./critical-section.ts";
import type { ExplainedKernels, KernelRange } from "./explanation.ts";
import { KERNEL_FACTS, needsSmallPages } from "./kernel-facts.ts";
import type { KernelContext, KernelFact } from "./kernel-facts.ts";

/** Older ones are not looked at. */
const OLDEST = "2.6.0";

/** The largest number of devices a 0.90 superblock has room for. */
const MAX_DISKS_090 = 27;

/** Which members stand there and which do not, as the kernel would count them. */
export interface KernelState {
  readonly present: readonly boolean[];
  readonly journalThere: boolean;
}

/** Negative: `a` is the older release. */
export function compareReleases(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const later = (a: string, b: string): string => (compareReleases(a, b) < 0 ? b : a);

function earlierEnd(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return compareReleases(a, b) < 0 ? a : b;
}

/** Releases that are in both. */
export function intersect(
  first: readonly KernelRange[],
  second: readonly KernelRange[],
): KernelRange[] {
  return first.flatMap((a) =>
    second.flatMap((b): KernelRange[] => {
      const from = later(a.from, b.from);
      const to = earlierEnd(a.to, b.to);
      return to !== null && compareReleases(to, from) < 0 ? [] : [{ from, to }];
    }),
  );
}

function rangeText({ from, to }: KernelRange): string {
  if (to === null) return `${from} and later`;
  return from === to ? from : `${from} to ${to}`;
}

function rangesText(ranges: readonly KernelRange[]): string {
  return ranges.map(rangeText).join(", and ");
}

/** One sentence: "the partial parity log needs Linux 4.12 and later; ...". */
function factText({ feature, ranges, note }: KernelFact): string {
  const sentence = `${feature} needs Linux ${rangesText(ranges)}`;
  return note === undefined ? sentence : `${sentence}; ${note}`;
}

/** Newest first; facts that say no more than the floor are left out. */
function decisive(facts: readonly KernelFact[]): KernelFact[] {
  return facts.toSorted((a, b) => compareReleases(startOf(b), startOf(a)));
}

const startOf = (fact: KernelFact): string => fact.ranges[0]?.from ?? OLDEST;

/** What makes kernels refuse the set, or part of what one could do with it, whatever their release. */
function refusals(context: KernelContext, state: KernelState): string[] {
  const { superblock, superblocks } = context;
  const sentences: string[] = [];
  if (superblocks.some((one) => one.reservedBytesSet))
    sentences.push(
      "every kernel from 3.5 on that does not know them: reserved bytes of a superblock are set (a newer feature); since 6.19 the module parameter md_mod.check_new_feature=0 overrides that",
    );
  if (superblock.version === "0.90" && superblock.byteOrder === "big")
    sentences.push(
      "kernels of little-endian machines (x86, most ARM): the 0.90 superblock is in the byte order of its writer; 'mdadm --assemble --update=byteorder' turns it",
    );
  if (superblock.version === "0.90" && superblock.roles.length > MAX_DISKS_090)
    sentences.push(`every kernel: metadata 0.90 has room for ${MAX_DISKS_090} devices`);
  if (needsSmallPages(context))
    sentences.push(
      "kernels with pages of 64 KiB (some arm64 and ppc64 ones): the chunk is smaller than a page",
    );
  return [...sentences, ...stateRefusals(context, state)];
}

/** Those that come from the state the set is in. */
function stateRefusals({ superblock }: KernelContext, state: KernelState): string[] {
  const { shape, reshape } = superblock;
  if (shape === null) return [];
  const sentences: string[] = [];
  const parity = shape.level === "raid4" || shape.level === "raid5" || shape.level === "raid6";
  const dirty = superblock.resyncOffsetSectors !== Infinity;
  const { survives, missing } = survival(shape, state.present.slice(0, shape.raidDisks));
  if (!survives) sentences.push("every kernel: too many members are missing or out of date");
  else if (parity && dirty && missing.length > 0 && superblock.ppl === null)
    sentences.push(
      "every kernel, to read as to write: it is dirty and degraded; mdadm --force marks it clean, md_mod.start_dirty_degraded=1 overrides",
    );
  if (superblock.hasJournal && !state.journalThere)
    sentences.push("every kernel, to write: the journal is missing, so it is started read-only");
  if (reshape !== null && reshape.deltaDisks === 0 && needsBackup(reshape))
    sentences.push(
      "every kernel, to write: a reshape in place goes on only when mdadm has the backup file and drives it",
    );
  return sentences;
}

/** Nobody knows which kernel wrote these bits. */
function unknownKernels(context: KernelContext): ExplainedKernels | null {
  const bits = context.superblocks.reduce((all, one) => all | one.unknownFeatures, 0);
  if (bits === 0) return null;
  const reason = `feature bits 0x${(bits >>> 0).toString(16)} are newer than what this version knows (Linux 6.19)`;
  return {
    accepts: "None that is known here",
    reasons: [reason],
    oldest: null,
    because: reason,
    ranges: [],
    refusedBy: [`Linux up to 6.19: ${reason}`],
  };
}

export function explainKernels(context: KernelContext, state: KernelState): ExplainedKernels {
  const unknown = unknownKernels(context);
  if (unknown !== null) return unknown;
  const facts = decisive(KERNEL_FACTS.filter((fact) => fact.applies(context)));
  const floor: KernelRange[] = [{ from: OLDEST, to: null }];
  const ranges = facts.reduce((all, fact) => intersect(all, fact.ranges), floor);
  const oldest = ranges[0]?.from ?? null;
  const because = facts.find((fact) => startOf(fact) === oldest);
  return {
    accepts:
      ranges.length === 0 ? "No released kernel takes it as it is" : `Linux ${rangesText(ranges)}`,
    reasons: facts.map(factText),
    oldest,
    because: because?.feature ?? null,
    ranges,
    refusedBy: refusals(context, state),
  };
}
