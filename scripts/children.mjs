/**
 * Child processes of the scripts: each in a process group of its own, so that an interrupted script can end
 * everything that it started, by number, and nothing else. Node built-ins only.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";

const GRACE_MS = 5000;
const ORPHAN_CHECK_MS = 250;

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
let isStopping = false;

process.on("exit", () => {
  for (const child of running) signalGroup(child, "SIGTERM");
});

/**
 * Starts a program that `stopAll` will end.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnOptions} [options]
 */
export function start(program, args, options = {}) {
  const child = spawn(program, args, {
    stdio: ["ignore", "inherit", "inherit"],
    ...options,
    detached: true,
  });
  running.add(child);
  child.on("close", () => running.delete(child));
  child.on("error", () => running.delete(child));
  return child;
}

/**
 * The exit code of a child when it has ended; 127 where it could not be started, 1 where a signal ended it. Never
 * settles once the script was told to stop: what should follow is not wanted any more.
 * @param {import("node:child_process").ChildProcess} child
 * @returns {Promise<number>}
 */
export function ended(child) {
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(error.message);
      resolve(127);
    });
    child.on("close", (code) => {
      if (!isStopping) resolve(code ?? 1);
    });
  });
}

/** Was the script told to stop? Then what its children say of their end means nothing. */
export function isToStop() {
  return isStopping;
}

/**
 * `start` and `ended` in one.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {import("node:child_process").SpawnOptions} [options]
 * @returns {Promise<number>}
 */
export function runToEnd(program, args, options) {
  return ended(start(program, args, options));
}

/**
 * On SIGINT, SIGTERM and SIGHUP: hands the signal to all children, waits for them, kills what is left after 5 s, then calls
 * `finish`. The end of npm counts as SIGTERM: a signal that only npm gets ends npm and its shell, and never arrives here.
 * @param {(signal: NodeJS.Signals) => void} finish
 */
export function stopOnSignals(finish) {
  const stop = (/** @type {NodeJS.Signals} */ signal) => {
    if (isStopping) return;
    isStopping = true;
    void stopAll(signal).then(() => finish(signal));
  };
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(signal, () => stop(signal));
  }
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  const watch = () => process.ppid === parent || stop("SIGTERM");
  setInterval(watch, ORPHAN_CHECK_MS).unref();
}

/** @param {NodeJS.Signals} signal */
async function stopAll(signal) {
  const children = [...running];
  const allEnded = Promise.all(children.map((child) => once(child, "close")));
  for (const child of children) signalGroup(child, signal);
  const timer = setTimeout(() => {
    for (const child of children) signalGroup(child, "SIGKILL");
  }, GRACE_MS);
  await allEnded;
  clearTimeout(timer);
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? child.pid : -child.pid, signal);
  } catch {
    // It ended meanwhile.
  }
}
