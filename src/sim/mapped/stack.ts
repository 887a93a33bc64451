/** The mapped devices of a run: small, but with everything that large ones have. */
export interface MirrorStack {
  readonly target: "mirror";
  readonly sectors: number;
  readonly legs: number;
  readonly log: "core" | "disk";
  readonly regionSectors: number;
  readonly features: "" | "handle_errors" | "handle_errors keep_log";
  /** Clients may change a buffer while it is written, and write it again when they are asked to (law 2). */
  readonly sharesBuffers: boolean;
}

export interface CloneStack {
  readonly target: "clone";
  readonly sectors: number;
  readonly regionSectors: number;
  readonly threshold: number;
  readonly batch: number;
  /** At the start. */
  readonly hydrates: boolean;
}

export interface ThinStack {
  readonly target: "thin";
  /** Of each volume. */
  readonly sectors: number;
  /** At the start; there may be more, up to all that are needed. */
  readonly dataBlocks: number;
  readonly volumes: number;
  readonly failsWithoutSpace: boolean;
}

export interface SnapshotStack {
  readonly target: "snapshot";
  readonly sectors: number;
  readonly chunkSectors: number;
  readonly cowSectors: number;
  readonly store: "P" | "PO";
}

export interface RaidStack {
  readonly target: "raid";
  readonly type: "raid1" | "raid10" | "raid5_ls" | "raid6_zr";
  readonly devices: number;
}

/** Of the table; J and B take turns where an administrator says so. */
export type IntegrityMode = "J" | "B" | "D";

export interface IntegrityStack {
  readonly target: "integrity";
  /** At the start. */
  readonly mode: IntegrityMode;
  readonly sectors: number;
  readonly blockBytes: number;
  readonly journalSectors: number;
  readonly interleaveSectors: number;
  readonly watermarkPercent: number;
  readonly bitSectors: number;
  readonly bitmapFlushMs: number;
  readonly hash: "crc32c" | "sha256";
  /** Tags and journal are on a device of their own. */
  readonly hasMetaDevice: boolean;
  /** Tables say so each time, not only the first. */
  readonly recalculates: boolean;
}

export type Stack =
  | MirrorStack
  | CloneStack
  | ThinStack
  | SnapshotStack
  | RaidStack
  | IntegrityStack;

/** For people. */
export function stackLine(stack: Stack): string {
  const { target, ...words } = stack;
  const rest = Object.entries(words).map(([name, value]) => `${name} ${value}`);
  return `${target}: ${rest.join(", ")}`;
}

/** Simpler ones of the same kind. */
export function* plainerStacks(stack: Stack): Iterable<Stack> {
  switch (stack.target) {
    case "mirror":
      if (stack.legs > 2) yield { ...stack, legs: 2 };
      if (stack.sharesBuffers) yield { ...stack, sharesBuffers: false };
      if (stack.features !== "") yield { ...stack, features: "" };
      return;
    case "clone":
      if (stack.threshold > 1) yield { ...stack, threshold: 1 };
      if (stack.batch > 1) yield { ...stack, batch: 1 };
      return;
    case "thin":
      if (stack.volumes > 1) yield { ...stack, volumes: 1 };
      if (stack.failsWithoutSpace) yield { ...stack, failsWithoutSpace: false };
      return;
    case "snapshot":
      if (stack.store === "PO") yield { ...stack, store: "P" };
      return;
    case "integrity":
      if (stack.hasMetaDevice) yield { ...stack, hasMetaDevice: false };
      if (stack.recalculates) yield { ...stack, recalculates: false };
      if (stack.blockBytes > 512) yield { ...stack, blockBytes: 512 };
      if (stack.hash === "sha256") yield { ...stack, hash: "crc32c" };
      return;
    case "raid":
      if (stack.type === "raid1" && stack.devices > 2) yield { ...stack, devices: 2 };
  }
}
