/** runMdadm in process: what it printed, and its exit code. */
import { HoldfastError } from "../../src/base/errors.ts";
import type { Env } from "../../src/env/env.ts";
import { nodeEnv } from "../../src/env/node/env.ts";
import type { ArrayHost } from "../../src/host/array-host.ts";
import { runMdadm } from "../../src/mdadm/run/run-mdadm.ts";
// Each mode is loaded when it is asked for, and virtual time would fly meanwhile.
import "../../src/mdadm/run/assemble.ts";
import "../../src/mdadm/run/build.ts";
import "../../src/mdadm/run/create.ts";
import "../../src/mdadm/run/grow.ts";
import "../../src/mdadm/run/help.ts";
import "../../src/mdadm/run/incremental.ts";
import "../../src/mdadm/run/manage.ts";
import "../../src/mdadm/run/misc.ts";
import "../../src/mdadm/run/monitor.ts";

export interface MdadmRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, errors first. */
  readonly lines: readonly string[];
}

export interface MdadmPlace {
  /** Where relative paths start. */
  readonly folder: string;
  /** None: no daemon runs. */
  readonly host?: ArrayHost;
  /** Lines of standard input. */
  readonly input?: readonly string[];
  readonly hostName?: string;
  readonly env?: Partial<Env>;
  /** Called for programs that are to be run. */
  readonly program?: (words: readonly string[]) => void;
  readonly interrupted?: Promise<void>;
}

const NO_DAEMON = "no daemon runs; start one with 'holdfast daemon'.";

/** Without a configuration unless `words` name one. */
export async function runMdadmIn(place: MdadmPlace, words: readonly string[]): Promise<MdadmRun> {
  const out: string[] = [];
  const err: string[] = [];
  const input = [...(place.input ?? [])];
  const { host } = place;
  const code = await runMdadm(words, {
    env: { ...nodeEnv(), ...place.env },
    host: () =>
      host === undefined
        ? Promise.reject(new HoldfastError("not-found", NO_DAEMON))
        : Promise.resolve(host),
    stdout: (text) => Promise.resolve(void out.push(text)),
    stderr: (text) => Promise.resolve(void err.push(text)),
    readLine: () => Promise.resolve(input.shift() ?? null),
    folder: place.folder,
    hostName: place.hostName ?? "machine",
    runProgram: (path, given) => Promise.resolve(place.program?.([path, ...given])),
    interrupted: () => place.interrupted ?? new Promise(() => {}),
  });
  const stdout = out.join("");
  const stderr = err.join("");
  return { code, stdout, stderr, lines: `${stderr}${stdout}`.split("\n") };
}
