/**
 * A guest: the real Linux kernel as a program (user-mode-linux), with image files as its disks.
 *
 * `bootGuest` boots, runs a shell script (after test/kernel/guest/lib.sh), and resolves when the guest has powered itself off. A guest always
 * ends: after `timeoutMs`, or when this process ends, it is killed by its process id, with the processes it
 * started, and a failure shows the end of its console. With `killAfterReadyMs` the guest is killed like a machine whose
 * power fails, that long after its script called `ready`: what was submitted to its disks stays, the rest is gone.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { guestRoot, kernelPeer } from "./rootfs.ts";
import { takeSlot } from "./slots.ts";

export interface GuestOptions {
  /** Image files, at most 16: /dev/ubda, /dev/ubdb, ... ($d0, $d1, ... in scripts). */
  readonly disks?: readonly string[];
  /** Shell commands; the guest counts as failed when the last one fails. */
  readonly script: string;
  /** Folder that is /tmp/host ($H) in the guest. */
  readonly shareDir: string;
  /** From boot to power-off, waiting for a slot not counted. */
  readonly timeoutMs?: number;
  readonly memoryMiB?: number;
  readonly killAfterReadyMs?: number;
}

export interface GuestRun {
  readonly console: string;
  /** Names of the files in the share. */
  readonly files: readonly string[];
  /** Text of a file in the share; empty if there is none. */
  text(name: string): string;
}

export class GuestError extends Error {
  readonly console: string;

  constructor(what: string, consoleText: string) {
    super(`the guest ${what}; the end of its console:\n${consoleText.slice(-4000)}`);
    this.name = "GuestError";
    this.console = consoleText;
  }
}

/** When a process was started, to tell it from a later one with the same id; null if it is over. */
function startTime(pid: number): string | null {
  try {
    // After the command name in parentheses: state is word 0, the start time word 19 (proc(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return words[0] === "Z" ? null : (words[19] ?? null);
  } catch {
    return null;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
      const text = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim();
      return text === "" ? [] : text.split(" ").map(Number);
    });
  } catch {
    return [];
  }
}

function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(familyOf)];
}

interface Relative {
  readonly pid: number;
  readonly started: string | null;
}

/** The guest's process and all it made. To be listed before any is killed: orphans no longer tell whose they were. */
function relativesOf(pid: number): Relative[] {
  return familyOf(pid).map((each) => ({ pid: each, started: startTime(each) }));
}

function alive(relative: Relative): boolean {
  return relative.started !== null && startTime(relative.pid) === relative.started;
}

function killAll(relatives: readonly Relative[]): void {
  for (const relative of relatives.filter(alive)) {
    try {
      process.kill(relative.pid, "SIGKILL");
    } catch {
      // Already gone.
    }
  }
}

function killGuest(child: ChildProcess): Relative[] {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return [];
  const relatives = relativesOf(child.pid);
  killAll(relatives);
  return relatives;
}

const DEFAULT_LIMIT_MS = 120_000;
const DISK_LETTERS = "abcdefghijklmnop";
const LIBRARY = fileURLToPath(new URL("./guest/lib.sh", import.meta.url));

function bootWords(options: GuestOptions, state: string): string[] {
  const disks = options.disks ?? [];
  if (disks.length > DISK_LETTERS.length)
    throw new Error(`${disks.length} disks, but a guest takes 16`);
  return [
    `mem=${options.memoryMiB ?? 384}M`,
    "root=/dev/root",
    "rootfstype=hostfs",
    `rootflags=${guestRoot()}`,
    "ro",
    "init=/init",
    "con=null",
    "con0=fd:0,fd:1",
    `HFSHARE=${options.shareDir}`,
    // The guest's own control socket and pid file go where they are removed with everything else.
    `uml_dir=${state}`,
    "umid=guest",
    ...disks.map((path, i) => `ubd${DISK_LETTERS[i]}=${path}`),
  ];
}

function start(options: GuestOptions, state: string): ChildProcess {
  writeFileSync(
    join(options.shareDir, "run.sh"),
    `${readFileSync(LIBRARY, "utf8")}\n${options.script}\n`,
  );
  const output = openSync(join(state, "console.txt"), "w");
  try {
    return spawn(kernelPeer().kernel, bootWords(options, state), {
      stdio: ["ignore", output, output],
      // Its memory is a deleted file there.
      env: {
        PATH: "/usr/bin:/bin",
        HOME: state,
        TMPDIR: existsSync("/dev/shm") ? "/dev/shm" : state,
      },
    });
  } finally {
    closeSync(output);
  }
}

type Ending = "ended" | "killed" | "timed out";

async function untilReady(options: GuestOptions, over: AbortSignal): Promise<void> {
  while (!existsSync(join(options.shareDir, "ready"))) await wait(20, undefined, { signal: over });
  await wait(options.killAfterReadyMs ?? 0, undefined, { signal: over });
}

async function ending(options: GuestOptions, child: ChildProcess): Promise<Ending> {
  const over = new AbortController();
  let how: Ending = "ended";
  let killed: Relative[] = [];
  const kill = (why: Ending): void => {
    if (how !== "ended") return;
    how = why;
    killed = killGuest(child);
  };
  const exited = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => resolve());
  });
  const limit = setTimeout(() => kill("timed out"), options.timeoutMs ?? DEFAULT_LIMIT_MS);
  const onExit = (): void => void killGuest(child);
  process.once("exit", onExit);
  if (options.killAfterReadyMs !== undefined) {
    // Aborted when the guest ends by itself.
    untilReady(options, over.signal).then(
      () => kill("killed"),
      () => undefined,
    );
  }
  try {
    await exited;
    while (killed.some(alive)) await wait(5);
  } finally {
    clearTimeout(limit);
    over.abort();
    process.off("exit", onExit);
  }
  return how;
}

function check(options: GuestOptions, how: Ending, run: GuestRun): void {
  const wanted = options.killAfterReadyMs === undefined ? "ended" : "killed";
  if (how === "timed out")
    throw new GuestError(`did not end in ${options.timeoutMs ?? DEFAULT_LIMIT_MS} ms`, run.console);
  if (how !== wanted) throw new GuestError("ended before it was ready to be killed", run.console);
  if (how === "killed") return;
  const exit = run.text("exit").trim();
  if (exit !== "0")
    throw new GuestError(`failed (exit code ${exit === "" ? "unknown" : exit})`, run.console);
}

/** Boots a guest. Rejects with a `GuestError` if its script fails, if it does not end in time, or if it ends by itself although it was to be killed. */
export async function bootGuest(options: GuestOptions): Promise<GuestRun> {
  const state = mkdtempSync(join(tmpdir(), "holdfast-guest-"));
  const giveBack = await takeSlot();
  try {
    for (const name of ["exit", "ready"]) rmSync(join(options.shareDir, name), { force: true });
    const how = await ending(options, start(options, state));
    const run: GuestRun = {
      console: readFileSync(join(state, "console.txt"), "latin1"),
      files: readdirSync(options.shareDir),
      text: (name) => {
        const path = join(options.shareDir, name);
        return existsSync(path) ? readFileSync(path, "utf8") : "";
      },
    };
    check(options, how, run);
    return run;
  } finally {
    giveBack();
    rmSync(state, { recursive: true, force: true });
  }
}

export interface Look {
  readonly bytes: number;
  /** "unreadable" if the device was not there or gave errors. */
  readonly sha256: string;
}

/** What the guest's `look DEV LABEL` commands noted, by label. */
export function looksOf(run: GuestRun): Map<string, Look> {
  const looks = new Map<string, Look>();
  for (const line of run.text("looks").split("\n")) {
    const [label, bytes, sha256] = line.split(" ");
    if (label && bytes && sha256) looks.set(label, { bytes: Number(bytes), sha256 });
  }
  return looks;
}
