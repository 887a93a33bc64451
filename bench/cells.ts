/**
 * What is measured against what, as data. A cell is one workload on one array in one place with all the variants that its ratios need;
 * its id is "array/place/workload". Quick runs take the cells that goals look at, once each.
 */
import type { MadeStack, MappedKind } from "./mapped.ts";
import type { ServerName } from "./servers.ts";
import { WORKLOADS } from "./workload.ts";
import type { Workload } from "./workload.ts";

/** "disk" is the folder for temporary files; the results name its file system. */
export type PlaceName = "disk" | "tmpfs";

export interface LoadVariant {
  readonly server: ServerName;
  /** Holdfast and quorum take the members, or a mapped device is made; all others take the plain file. */
  readonly files: "members" | "members-but-one" | "plain" | MappedKind;
}

export interface LoadCell {
  readonly kind: "load";
  readonly id: string;
  readonly array: MadeStack["name"];
  readonly place: PlaceName;
  readonly workload: Workload;
  readonly variants: Readonly<Record<string, LoadVariant>>;
  readonly isQuick: boolean;
}

/** A pass over all the bytes. `fill`: written in order, by a client and without NBD; all others are without NBD. `hydrate`: by a clone. */
export interface PassCell {
  readonly kind: "pass";
  readonly id: string;
  readonly array: MadeStack["name"];
  readonly place: PlaceName;
  readonly work: "dump" | "check" | "fill" | "hydrate";
  /** Slots that are left out, by Holdfast and by its peers. */
  readonly lost: readonly number[];
  readonly isQuick: boolean;
}

export type Cell = LoadCell | PassCell;

const HOLDFAST: LoadVariant = { server: "holdfast", files: "members" };
const DEGRADED: LoadVariant = { server: "holdfast", files: "members-but-one" };
/** Without io_uring, whatever the machine has. */
const NODE: LoadVariant = { server: "holdfast-node", files: "members" };
const QEMU: LoadVariant = { server: "qemu-nbd", files: "plain" };
const LINEAR = {
  holdfast: HOLDFAST,
  "qemu-nbd": QEMU,
  "qemu-nbd-uring": { server: "qemu-nbd-uring", files: "plain" },
  nbdkit: { server: "nbdkit", files: "plain" },
} as const satisfies Record<string, LoadVariant>;
const MIRROR = { holdfast: HOLDFAST, quorum: { server: "quorum", files: "members" } } as const;
const PLAIN = { holdfast: HOLDFAST, "qemu-nbd": QEMU } as const;
const PARITY = { holdfast: HOLDFAST, "holdfast-degraded": DEGRADED, "qemu-nbd": QEMU } as const;

/** A mapped device and its file alone, by a server that serves both alike. */
const BARE = {
  bare: { server: "direct", files: "plain" },
  linear: { server: "direct", files: "linear" },
  striped: { server: "direct", files: "striped" },
} as const satisfies Record<string, LoadVariant>;
const MIRRORS = {
  mirror: { server: "holdfast", files: "mirror" },
  raid1: HOLDFAST,
} as const satisfies Record<string, LoadVariant>;
const THIN = {
  thin: { server: "holdfast", files: "thin" },
  linear: { server: "holdfast", files: "linear" },
} as const satisfies Record<string, LoadVariant>;

/** Where the backend "node" is measured beside the chosen one: what its own goal is about, and one array with parity. */
const WITH_NODE = /^(linear\/.*\/randread-4k-q32(-j4)?|raid5-4\/.*\/randread-4k-q32)$/;

const QUICK = new Set([
  "linear/tmpfs/randread-4k-q1",
  "linear/tmpfs/randread-4k-q32",
  "linear/tmpfs/randread-4k-q32-j4",
  "linear/tmpfs/randwrite-4k-q32",
  "linear/tmpfs/read-1m",
  "linear/tmpfs/write-1m",
  "linear/disk/randread-4k-q32-cold",
  "linear/disk/randwrite-4k-q32-flush32",
  "raid1-2/tmpfs/randread-4k-q32",
  "raid1-3/tmpfs/randread-4k-q32",
  "raid5-4/tmpfs/randread-4k-q32",
  "raid6-4/tmpfs/randread-4k-q32",
  "raid5-4/tmpfs/pass-degraded",
  "raid6-4/tmpfs/pass-degraded",
  "raid6-4/tmpfs/pass-two-lost",
  "raid1-2/tmpfs/randwrite-4k-q32",
  "raid1-3/tmpfs/randwrite-4k-q32",
  "raid5-4/tmpfs/randwrite-4k-q1",
  "raid5-4/tmpfs/randwrite-4k-q32",
  "raid6-4/tmpfs/randwrite-4k-q32",
  "raid5-4/tmpfs/pass-fill",
  "raid1-2/tmpfs/pass-check",
  "raid6-4/tmpfs/pass-check",
  "dm-linear/tmpfs/randread-4k-q32",
  "dm-linear/tmpfs/randwrite-4k-q32",
  "dm-mirror/tmpfs/randwrite-4k-q32",
  "dm-thin/tmpfs/randwrite-4k-q32",
  "dm-clone/tmpfs/pass-hydrate",
]);

const PLACES: readonly PlaceName[] = ["tmpfs", "disk"];
/** What arrays with redundancy are measured with. */
const READS = ["randread-4k-q1", "randread-4k-q32", "randread-4k-q32-j4", "read-1m"];
const WRITES = ["randwrite-4k-q1", "randwrite-4k-q32", "randwrite-4k-q32-flush32", "write-1m"];

function loadCells(
  array: MadeStack["name"],
  variants: LoadCell["variants"],
  isWanted: (workload: Workload) => boolean,
): LoadCell[] {
  return PLACES.flatMap((place) =>
    // Nothing is cold in memory.
    WORKLOADS.filter((each) => isWanted(each) && !(each.isCold && place === "tmpfs")).map(
      (workload) => {
        const id = `${array}/${place}/${workload.name}`;
        const both = { holdfast: HOLDFAST, "holdfast-node": NODE };
        const all = WITH_NODE.test(id) ? { ...both, ...variants } : variants;
        return { kind: "load", id, array, place, workload, variants: all, isQuick: QUICK.has(id) };
      },
    ),
  );
}

/** By the number of members that are left out. */
const PASS_NAMES = ["pass", "pass-degraded", "pass-two-lost"];

function passCells(array: MadeStack["name"], lost: readonly number[]): PassCell[] {
  return PLACES.map((place) => {
    const id = `${array}/${place}/${PASS_NAMES[lost.length]}`;
    return { kind: "pass", id, array, place, work: "dump", lost, isQuick: QUICK.has(id) };
  });
}

function workCells(array: MadeStack["name"], work: "check" | "fill" | "hydrate"): PassCell[] {
  return PLACES.map((place) => {
    const id = `${array}/${place}/pass-${work}`;
    return { kind: "pass", id, array, place, work, lost: [], isQuick: QUICK.has(id) };
  });
}

/** A stripe without redundancy, and mirrors striped: what finding the place of a block costs. */
const isRandomRead = ({ name }: Workload): boolean => name === "randread-4k-q32";
const isRandom = ({ name }: Workload): boolean => /^rand(read|write)-4k-q32$/.test(name);
const isRandomWrite = ({ name }: Workload): boolean => name === "randwrite-4k-q32";
const isRead = ({ name }: Workload): boolean => READS.includes(name);
const isWrite = ({ name }: Workload): boolean => WRITES.includes(name);

export const CELLS: readonly Cell[] = [
  ...loadCells("linear", LINEAR, () => true),
  ...loadCells("raid0-2", PLAIN, isRandom),
  ...loadCells("raid1-2", MIRROR, isRead),
  ...loadCells("raid1-3", MIRROR, isRead),
  ...loadCells("raid5-4", PARITY, isRead),
  ...loadCells("raid6-4", PARITY, isRead),
  ...loadCells("raid10-4", PLAIN, isRandomRead),
  ...loadCells("raid1-2", MIRROR, isWrite),
  ...loadCells("raid1-3", MIRROR, isWrite),
  ...loadCells("raid5-4", PLAIN, isWrite),
  ...loadCells("raid6-4", PLAIN, isWrite),
  ...loadCells("raid10-4", PLAIN, isWrite),
  ...passCells("raid1-2", []),
  ...passCells("raid5-4", []),
  ...passCells("raid5-4", [1]),
  ...passCells("raid6-4", []),
  ...passCells("raid6-4", [1]),
  ...passCells("raid6-4", [0, 1]),
  ...workCells("raid5-4", "fill"),
  ...workCells("raid1-2", "check"),
  ...workCells("raid6-4", "check"),
  ...loadCells("dm-linear", BARE, isRandom),
  ...loadCells("dm-mirror", MIRRORS, isRandom),
  ...loadCells("dm-thin", THIN, isRandomWrite),
  ...workCells("dm-clone", "hydrate"),
];
