/**
 * The servers under load, each with its files on a unix socket in a folder of its own: how they are started, when they listen, how they
 * are stopped. All of them stay in the foreground, so that their process id is the one that was started; bin/holdfast ends in `exec node`.
 */
import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { start } from "../scripts/children.mjs";
import { ROOT } from "../scripts/setup.mjs";
import { DATA_OFFSET_BYTES } from "./arrays.ts";
import { becomesTrue, stopChild } from "./processes.ts";

const START_LIMIT_SECONDS = 20;
/** The name Holdfast exports the volume by; the peers have the empty name. */
const EXPORT = "bench";

export interface ServerPlace {
  /** Members for Holdfast and quorum, one plain file for the others; "missing" for a lost member. Or options that make a mapped device. */
  readonly files: readonly string[];
  /** Where Holdfast keeps what clients write: nowhere, in an overlay beside the socket, or on the members. Its peers write in place. */
  readonly writes: "none" | "overlay" | "members";
  /** For the socket and the overlay. */
  readonly folder: string;
}

export interface RunningServer {
  readonly uri: string;
  readonly pid: number;
  stop(): Promise<void>;
}

interface ServerKind {
  readonly program: string;
  readonly exportName: string;
  readonly env?: Readonly<Record<string, string>>;
  args(place: ServerPlace, socket: string): readonly string[];
}

function qemuNbd(aio: "threads" | "io_uring"): ServerKind {
  return {
    program: "qemu-nbd",
    exportName: "",
    args: ({ files }, socket) => [
      "-t",
      "-e",
      "16",
      "-k",
      socket,
      "-f",
      "raw",
      "--cache=writeback",
      `--aio=${aio}`,
      ...files,
    ],
  };
}

/** qemu's mirror. `fifo` reads from the first child that answers well, which is what a mirror does; the default compares all of them. */
function quorumOptions({ files }: ServerPlace): string {
  const children = files.flatMap((file, index) => [
    `children.${index}.driver=raw`,
    `children.${index}.offset=${DATA_OFFSET_BYTES}`,
    `children.${index}.file.driver=file`,
    `children.${index}.file.filename=${file}`,
    `children.${index}.file.locking=off`,
  ]);
  return ["driver=quorum", "vote-threshold=1", "read-pattern=fifo", ...children].join(",");
}

function holdfastArgs({ files, writes, folder }: ServerPlace, socket: string): string[] {
  const access = {
    none: [],
    overlay: [`--overlay=${join(folder, "overlay")}`],
    members: ["--read-write"],
  }[writes];
  return ["open", "--nbd", `nbd+unix:///${EXPORT}?socket=${socket}`, ...access, ...files];
}

/** Leaves V8's profiles in its folder at the end, one for each thread. */
function profiled(env: Readonly<Record<string, string>>): ServerKind {
  return {
    program: process.execPath,
    exportName: EXPORT,
    env,
    args: (place, socket) => [
      "--cpu-prof",
      `--cpu-prof-dir=${place.folder}`,
      join(ROOT, "dist", "holdfast.cjs"),
      ...holdfastArgs(place, socket),
    ],
  };
}

/** A file as it is, or a mapped device. */
function direct(profileFlags: (folder: string) => readonly string[]): ServerKind {
  return {
    program: process.execPath,
    exportName: EXPORT,
    args: ({ files, writes, folder }, socket) => [
      ...profileFlags(folder),
      join(ROOT, "bench", "serve.mjs"),
      writes === "none" ? "ro" : "rw",
      socket,
      ...files,
    ],
  };
}

const KINDS = {
  holdfast: {
    program: join(ROOT, "bin", "holdfast"),
    exportName: EXPORT,
    args: holdfastArgs,
  },
  "holdfast-node": {
    program: join(ROOT, "bin", "holdfast"),
    exportName: EXPORT,
    env: { HOLDFAST_BACKEND: "node" },
    args: holdfastArgs,
  },
  direct: direct(() => []),
  "direct-profiled": direct((folder) => ["--cpu-prof", `--cpu-prof-dir=${folder}`]),
  "holdfast-profiled": profiled({}),
  "holdfast-node-profiled": profiled({ HOLDFAST_BACKEND: "node" }),
  "qemu-nbd": qemuNbd("threads"),
  "qemu-nbd-uring": qemuNbd("io_uring"),
  nbdkit: {
    program: "nbdkit",
    exportName: "",
    args: ({ files }, socket) => ["-f", "-U", socket, "file", ...files],
  },
  quorum: {
    program: "qemu-nbd",
    exportName: "",
    args: (place, socket) => ["-t", "-e", "16", "-k", socket, "--image-opts", quorumOptions(place)],
  },
} as const satisfies Readonly<Record<string, ServerKind>>;
export type ServerName = keyof typeof KINDS;

/** What has to be installed for it. */
export function programOf(name: ServerName): string {
  return KINDS[name].program;
}

function isListening(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.on("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}

/** What a child says on stderr, the end of it at least. */
function collectComplaints(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.on("data", (data: Buffer) => {
    text = (text + data.toString()).slice(-2000);
  });
  return () => text.trim();
}

/** Starts a server and waits until it listens; throws what it said when it ends instead, or takes too long. */
export async function startServer(name: ServerName, place: ServerPlace): Promise<RunningServer> {
  const kind: ServerKind = KINDS[name];
  const socket = join(place.folder, "socket");
  mkdirSync(place.folder, { recursive: true });
  const child = start(kind.program, kind.args(place, socket), {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...kind.env },
  });
  const complaints = collectComplaints(child);
  let isOver = false;
  child.on("error", () => (isOver = true));
  child.on("close", () => (isOver = true));
  const asked = async (): Promise<boolean> => isOver || isListening(socket);
  const isUp = (await becomesTrue(asked, START_LIMIT_SECONDS)) && !isOver;
  if (!isUp || child.pid === undefined) {
    await stopChild(child);
    throw new Error(`${name} did not start: ${complaints()}`);
  }
  return {
    uri: `nbd+unix:///${kind.exportName}?socket=${socket}`,
    pid: child.pid,
    stop: () => stopChild(child),
  };
}
