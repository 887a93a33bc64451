/** The arrays of a crash test: every redundant level, and every way to know after a crash what to sync. */
import type { CreateCall } from "../../src/host/array-host.ts";

export interface CrashShape {
  /** Also its name as md device and in file names. */
  readonly name: string;
  readonly title: string;
  readonly disks: number;
  /** Members that it can lose. */
  readonly bearable: number;
  readonly hasJournal: boolean;
  /** Where a member is lost together with the crash nothing is lost: a log, or no parity. */
  readonly isHoleClosed: boolean;
  /** Sectors of data in all chunks at the same place of the members; 0: no parity. */
  readonly rowSectors: number;
  readonly call: Partial<CreateCall>;
}

const CHUNK_SECTORS = 32;
const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };

type Given = Partial<CrashShape> & Pick<CrashShape, "title" | "disks" | "call">;

function shapeOf(given: Given, index: number): CrashShape {
  const { level } = given.call;
  const parityDisks = level === "raid6" ? 2 : level === "raid5" || level === "raid4" ? 1 : 0;
  return {
    name: `md${index}`,
    bearable: 1,
    hasJournal: false,
    isHoleClosed: parityDisks === 0,
    rowSectors: parityDisks === 0 ? 0 : CHUNK_SECTORS * (given.disks - parityDisks),
    ...given,
    call: { chunkSectors: level === "raid1" ? null : CHUNK_SECTORS, ...given.call },
  };
}

export const SHAPES: readonly CrashShape[] = [
  { title: "raid1 of 2, bitmap", disks: 2, call: { level: "raid1" as const, bitmap: BITMAP } },
  {
    title: "raid10 f2 of 3, bitmap",
    disks: 3,
    call: { level: "raid10" as const, layout: 0x201, bitmap: BITMAP },
  },
  { title: "raid4 of 3, bitmap", disks: 3, call: { level: "raid4" as const, bitmap: BITMAP } },
  { title: "raid5 of 3, bitmap", disks: 3, call: { level: "raid5" as const, bitmap: BITMAP } },
  {
    title: "raid5 of 3, PPL",
    disks: 3,
    isHoleClosed: true,
    call: { level: "raid5" as const, consistencyPolicy: "ppl" as const },
  },
  {
    title: "raid5 of 3, journal",
    disks: 3,
    hasJournal: true,
    isHoleClosed: true,
    call: { level: "raid5" as const, consistencyPolicy: "journal" as const },
  },
  {
    title: "raid6 of 5, bitmap",
    disks: 5,
    bearable: 2,
    call: { level: "raid6" as const, bitmap: BITMAP },
  },
  // Those that resync all of themselves are started last: they are still at it when the daemon is ready, and may be killed.
  { title: "raid1 of 3", disks: 3, bearable: 2, call: { level: "raid1" as const } },
  { title: "raid10 n2 of 4", disks: 4, call: { level: "raid10" as const, layout: 0x102 } },
  { title: "raid10 o2 of 3", disks: 3, call: { level: "raid10" as const, layout: 0x10201 } },
  { title: "raid5 of 4", disks: 4, call: { level: "raid5" as const } },
].map(shapeOf);

export function createCall(
  { name, disks, call }: CrashShape,
  paths: { readonly members: readonly string[]; readonly journal: string | null },
  more: Partial<CreateCall> = {},
): CreateCall {
  return {
    names: { kernelName: null, path: `/dev/${name}` },
    devices: paths.members.map((path) => ({
      path,
      writeMostly: false,
      failFast: false,
      dataOffsetSectors: null,
    })),
    journal: paths.journal,
    version: "1.2",
    level: "raid1",
    layout: null,
    chunkSectors: null,
    raidDisks: disks,
    spareDisks: paths.members.length - disks,
    componentSectors: null,
    dataOffsetSectors: null,
    bitmap: null,
    consistencyPolicy: null,
    assumeClean: false,
    force: true,
    name,
    homehost: null,
    uuid: null,
    readOnly: false,
    writeZeroes: false,
    dryRun: false,
    ...call,
    ...more,
  };
}
