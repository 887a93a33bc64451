/**
 * Sets that were stopped in the middle of something: half recovered, half resynced, half replaced, half reshaped in every way the
 * kernel knows, forwards and backwards. Which ones is fixed, their chunk, layout, disk count, metadata and the place where they stand is chance.
 *
 * The content is stamps throughout, whatever state the redundancy is in, so what must be read is known without asking anyone;
 * the kernel's own read just before the stop is there to prove it.
 */
import { Prng } from "../../src/base/prng.ts";
import { diskNode } from "./slices.ts";
import type { Job } from "./slices.ts";

export const HELD_SEED = "held";
export const JUNK_SEED = "junk";
/** Longer than any volume or disk here. */
export const HELD_STAMP_SECTORS = 6 * 12 * 2048;

const DISK_SECTORS = 10 * 2048;
/** Component size that leaves room behind the data, so that the data can move instead of being backed up to a file. */
const SMALL_KIB = 6 * 1024;

export interface HeldPlan {
  readonly title: string;
  /** Null: the kernel reads it itself, under the job's name. Else it is this big, and has to be finished to be read. */
  readonly unreadableBytes: number | null;
  readonly job: Job;
  /** Sets of disks that are left out, with which it still can be read. */
  readonly readableWithout: readonly (readonly number[])[];
  /** Sets of disks without which it cannot be read. */
  readonly lostWithout: readonly (readonly number[])[];
}

/** What a scenario may choose from. */
interface Choice {
  readonly name: string;
  readonly prng: Prng;
  readonly chunkKib: number;
  readonly rotation: string;
  readonly metadata: string;
  /** "/dev/mapper/h3m0 /dev/mapper/h3m1 ..." */
  nodes(first: number, count: number): string;
  node(disk: number): string;
  create(level: string, count: number, more?: string): string;
}

interface Scenario {
  readonly disks: number;
  /** Size of a volume that the kernel itself cannot read in this state. */
  readonly unreadableBytes?: number;
  readonly script: readonly string[];
  readonly readableWithout?: readonly (readonly number[])[];
  readonly lostWithout?: readonly (readonly number[])[];
}

type Make = (choice: Choice) => Scenario;

const FILL = `stamp /dev/md0 ${HELD_SEED}`;

/** A sector of the members at which something is to stop: whole chunks, a third to two thirds of the way. */
function place(choice: Choice, chunkKib = choice.chunkKib, sectors = DISK_SECTORS - 4096): number {
  const at = choice.prng.between(Math.floor(sectors / 3), Math.floor((sectors * 2) / 3));
  return at - (at % (chunkKib * 2));
}

function recovered(level: string, disks: number, extra = ""): Make {
  return (choice) => {
    const lost = choice.prng.below(disks);
    const others = Array.from({ length: disks }, (_, i) => i).filter((i) => i !== lost);
    return {
      disks: disks + 1,
      script: [
        choice.create(level, disks, extra),
        "md_wait md0",
        FILL,
        `mdadm /dev/md0 -f ${choice.node(lost)}`,
        `until_true 10 mdadm /dev/md0 -r ${choice.node(lost)}`,
        `hold_at md0 ${place(choice)}`,
        `mdadm /dev/md0 --add ${choice.node(disks)}`,
        "held md0",
      ],
      readableWithout: [[lost], [disks], [lost, disks]],
      // The newcomer is no member yet as far as the rest of it goes.
      lostWithout: level === "raid5" || level === "raid4" ? [[choice.prng.pick(others)]] : [],
    };
  };
}

function resynced(level: string, disks: number, extra = ""): Make {
  return (choice) => ({
    disks,
    script: [
      ...Array.from({ length: disks }, (_, i) => `stamp ${choice.node(i)} ${JUNK_SEED}`),
      choice.create(level, disks, `${extra} --readonly --force`),
      `hold_at md0 ${place(choice)}`,
      "mdadm --readwrite /dev/md0",
      "held md0",
      FILL,
    ],
  });
}

const replaced: Make = (choice) => ({
  disks: 5,
  script: [
    choice.create("raid6", 4, `--layout=${choice.rotation}`),
    "md_wait md0",
    FILL,
    `hold_at md0 ${place(choice)}`,
    `mdadm /dev/md0 --add ${choice.node(4)}`,
    `mdadm /dev/md0 --replace ${choice.node(1)} --with ${choice.node(4)}`,
    "held md0",
  ],
  readableWithout: [[4], [0, 2], [2, 4]],
  lostWithout: [[0, 2, 3]],
});

/** A reshape that goes towards higher sectors: more disks, or another shape. */
function reshaped(
  level: string,
  before: number,
  after: number,
  createMore: (choice: Choice) => string,
  growMore: (choice: Choice) => string,
  readableWithout: readonly (readonly number[])[],
): Make {
  return (choice) => {
    const added =
      after > before
        ? [`mdadm /dev/md0 --add ${choice.nodes(before, after - before)}`, "md_wait md0"]
        : [];
    return {
      disks: Math.max(before, after),
      script: [
        choice.create(level, before, createMore(choice)),
        "md_wait md0",
        FILL,
        ...added,
        `growhold md0 ${place(choice, 512)} ${after > before ? `-n ${after}` : ""} ${growMore(choice)}`,
      ],
      readableWithout,
    };
  };
}

/** Fewer disks: the volume is made smaller first, and the data moves towards the end of the members. */
function shrunk(
  level: string,
  before: number,
  after: number,
  createMore: string,
  readableWithout: readonly (readonly number[])[],
): Make {
  return (choice) => ({
    disks: before,
    script: [
      choice.create(level, before, `${createMore} -z ${SMALL_KIB}`),
      "md_wait md0",
      // Two disks' worth of data is left in each of them.
      `mdadm --grow /dev/md0 --array-size=${SMALL_KIB * 2}`,
      FILL,
      level === "raid10"
        ? `growhold md0 ${place(choice, 512, SMALL_KIB * 2)} -n ${after}`
        : `shrinkhold md0 ${place(choice, 512, SMALL_KIB * 2)} ${after} 1024`,
    ],
    readableWithout,
    // In the middle of it the kernel (6.1) lets some reads of a raid4, 5 or 6 wait for ever, read-only or not.
    ...(level === "raid10" ? {} : { unreadableBytes: SMALL_KIB * 2 * 1024 }),
  });
}

const rotation = (choice: Choice): string => `--layout=${choice.rotation}`;
const nothing = (): string => "";
const otherChunk = (choice: Choice): string =>
  `-c ${choice.chunkKib === 64 ? choice.prng.pick([16, 128]) : 64}`;
/** For a raid5 ddf-N-continue is another name of left-symmetric: changing one to the other would change nothing. */
const LEFT_SYMMETRIC = ["left-symmetric", "ddf-N-continue"];
const otherRotation = (choice: Choice): string =>
  `--layout=${LEFT_SYMMETRIC.includes(choice.rotation) ? "right-asymmetric" : "left-symmetric"}`;

const small = (choice: Choice): string => `${rotation(choice)} -z ${SMALL_KIB}`;
const symmetric = (): string => "--layout=left-symmetric";
const near = (): string => "--layout=n2";

/** Metadata versions a scenario may have: any, those that know replacements, those with room before the data. */
const ANY = ["0.90", "1.0", "1.1", "1.2"];
const NEWER = ["1.0", "1.1", "1.2"];
const MOVING = ["1.1", "1.2"];

const SCENARIOS: readonly (readonly [title: string, metadata: readonly string[], make: Make])[] = [
  ["raid1 half recovered", ANY, recovered("raid1", 2)],
  ["raid4 half recovered", ANY, recovered("raid4", 3)],
  ["raid5 half recovered", ANY, recovered("raid5", 4)],
  ["raid6 half recovered", ANY, recovered("raid6", 5)],
  ["raid10 near half recovered", ANY, recovered("raid10", 4, "--layout=n2")],
  ["raid10 far half recovered", ANY, recovered("raid10", 4, "--layout=f2")],
  ["raid1 half resynced", ANY, resynced("raid1", 3)],
  ["raid5 half resynced", ANY, resynced("raid5", 3)],
  ["raid6 half resynced", ANY, resynced("raid6", 4)],
  ["raid10 half resynced", ANY, resynced("raid10", 3, "--layout=o2")],
  ["raid6 half replaced", NEWER, replaced],
  ["raid5 growing by one disk", ANY, reshaped("raid5", 3, 4, rotation, nothing, [[0], [2], [3]])],
  ["raid5 growing by two disks", ANY, reshaped("raid5", 3, 5, rotation, nothing, [[1], [4]])],
  ["raid5 changing its chunk", MOVING, reshaped("raid5", 3, 3, small, otherChunk, [[0], [1]])],
  [
    "raid5 changing its layout",
    MOVING,
    reshaped("raid5", 4, 4, rotation, otherRotation, [[0], [3]]),
  ],
  ["raid4 growing", ANY, reshaped("raid4", 3, 4, nothing, nothing, [[0], [3]])],
  [
    "raid6 growing",
    ANY,
    reshaped("raid6", 4, 5, rotation, nothing, [
      [0, 1],
      [3, 4],
    ]),
  ],
  ["raid6 changing its chunk", MOVING, reshaped("raid6", 4, 4, small, otherChunk, [[0, 2]])],
  ["raid5 becoming raid6", MOVING, reshaped("raid5", 3, 4, symmetric, () => "-l 6", [[0], [3]])],
  ["raid10 growing", MOVING, reshaped("raid10", 4, 5, near, nothing, [])],
  ["raid10 changing its chunk", MOVING, reshaped("raid10", 4, 4, near, otherChunk, [])],
  ["raid5 shrinking", NEWER, shrunk("raid5", 4, 3, "", [[0], [3]])],
  ["raid6 shrinking", NEWER, shrunk("raid6", 5, 4, "", [[0, 4]])],
  ["raid10 shrinking", NEWER, shrunk("raid10", 6, 4, "--layout=n2", [])],
];

function choiceFor(prng: Prng, name: string, versions: readonly string[]): Choice {
  const chunkKib = prng.pick([16, 32, 64, 128]);
  const metadata = prng.pick(versions);
  const node = (disk: number): string => diskNode(name, disk);
  const nodes = (first: number, count: number): string =>
    Array.from({ length: count }, (_, i) => node(first + i)).join(" ");
  return {
    name,
    prng,
    chunkKib,
    metadata,
    node,
    nodes,
    rotation: prng.pick([
      "left-symmetric",
      "left-asymmetric",
      "right-symmetric",
      "parity-last",
      "ddf-N-continue",
    ]),
    create: (level, count, more = "") => {
      const chunk = level === "raid1" ? "" : `-c ${chunkKib}`;
      const called = metadata === "0.90" ? "" : `--name=${name}`;
      const head = `mdadm -C /dev/md0 --run --homehost=holdfast -e ${metadata} ${called}`;
      return `${head} -l ${level} -n ${count} ${chunk} --bitmap=none ${more} ${nodes(0, count)}`;
    },
  };
}

export function planHeld(seed: number): HeldPlan[] {
  return SCENARIOS.map(([title, versions, make], i) => {
    const name = `h${i}`;
    const choice = choiceFor(new Prng(seed ^ (i * 7919)), name, versions);
    const scenario = make(choice);
    const look = scenario.unreadableBytes === undefined ? [`look /dev/md0 ${name}`] : [];
    const script = [...scenario.script, ...look, "md_stop md0"].join("\n");
    const diskSectors = Array.from({ length: scenario.disks }, () => DISK_SECTORS);
    return {
      title: `${title} (${choice.metadata}, ${choice.chunkKib}K)`,
      job: { name, diskSectors, script },
      unreadableBytes: scenario.unreadableBytes ?? null,
      readableWithout: scenario.readableWithout ?? [],
      lostWithout: scenario.lostWithout ?? [],
    };
  });
}
