/** Misc mode's commands to running arrays: stop, run, read-only, read-write, wait, --action. */
import { HoldfastError } from "../../base/errors.ts";
import type { ArrayHost } from "../../host/array-host.ts";
import { isRedundant } from "../../md/view/array-view.ts";
import type { SyncActionWord } from "../command.ts";
import { arrayKey } from "./array-name.ts";
import type { Session } from "./session.ts";
import { assemblyText } from "./assembly-text.ts";

/** Carried out, or refused in these words. @returns the exit code */
async function refusable(
  session: Session,
  act: () => Promise<void>,
  wordsFor: (error: HoldfastError) => readonly string[] | null,
): Promise<number> {
  try {
    await act();
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    const words = wordsFor(thrown);
    return words === null ? session.refuse(1, thrown.message) : session.refuse(1, ...words);
  }
}

function missing(array: string): readonly string[] {
  return [`error opening ${array}: No such file or directory`];
}

function stopRefusal(array: string, { code, message }: HoldfastError): readonly string[] | null {
  if (code === "not-found") return missing(array);
  if (code !== "busy") return [`failed to stop array ${array}: ${message}`];
  return [
    `Cannot get exclusive access to ${array}:Perhaps a running process, mounted filesystem or active volume group?`,
    message,
  ];
}

export async function stopArray(session: Session, array: string): Promise<number> {
  const host = await session.host();
  const { force } = session.common;
  return refusable(
    session,
    async () => {
      await host.stop({ array: arrayKey(array), force });
      session.result({ stopped: array });
      session.info(`stopped ${array}`);
    },
    (error) => stopRefusal(array, error),
  );
}

/** Until nothing more can be stopped: one array may be a member of another. */
export async function stopAll(session: Session): Promise<number> {
  const host = await session.host();
  let left = new Map<string, HoldfastError>();
  for (let isFirst = true, before = 0; isFirst || left.size < before; isFirst = false) {
    before = isFirst ? Infinity : left.size;
    left = await stopEach(session, host);
    if (left.size === 0) return 0;
  }
  for (const [path, error] of left) session.warn(...(stopRefusal(path, error) ?? [error.message]));
  return 1;
}

async function stopEach(session: Session, host: ArrayHost): Promise<Map<string, HoldfastError>> {
  const left = new Map<string, HoldfastError>();
  for (const { path } of await host.arrays())
    try {
      await host.stop({ array: path, force: session.common.force });
      session.result({ stopped: path });
      session.detail(`stopped ${path}`);
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      left.set(path, thrown);
    }
  return left;
}

export async function runArray(session: Session, array: string): Promise<number> {
  const host = await session.host();
  let code = 0;
  const refused = await refusable(
    session,
    async () => {
      const outcome = await host.run(arrayKey(array));
      session.result(outcome);
      if (outcome.kind === "started") session.info(`started array ${array}`);
      else code = session.refuse(1, assemblyText(array, outcome, null).text, outcome.reason ?? "");
    },
    ({ code: why }) => (why === "not-found" ? missing(array) : null),
  );
  return refused === 0 ? code : refused;
}

export async function setReadOnly(session: Session, array: string): Promise<number> {
  const host = await session.host();
  return refusable(
    session,
    () => host.set({ array: arrayKey(array), action: { kind: "array-state", state: "readonly" } }),
    ({ code, message }) =>
      code === "not-found"
        ? missing(array)
        : [
            `failed to set readonly for ${array}: ${code === "busy" ? "Device or resource busy" : message}`,
          ],
  );
}

export async function setReadWrite(session: Session, array: string): Promise<number> {
  const host = await session.host();
  return refusable(
    session,
    async () => {
      const { state } = await host.array(arrayKey(array));
      // Arrays that are written to already are not asked to be.
      if (state !== "readonly" && state !== "read-auto")
        throw new HoldfastError("busy", `${array} is not read-only`);
      await host.set({ array: arrayKey(array), action: { kind: "array-state", state: "active" } });
    },
    ({ code, message }) =>
      code === "not-found"
        ? missing(array)
        : [
            `failed to set writable for ${array}: ${code === "busy" ? "Device or resource busy" : message}`,
          ],
  );
}

/** Exit codes of --wait. */
const WAITED = 0;
const NOTHING_TO_WAIT_FOR = 1;
const NO_ARRAY = 2;

export async function waitFor(session: Session, array: string): Promise<number> {
  const host = await session.host();
  try {
    const waited = await host.wait(arrayKey(array));
    session.result({ array, waited });
    return waited ? WAITED : NOTHING_TO_WAIT_FOR;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return session.refuse(NO_ARRAY, ...missing(array));
  }
}

/** Native arrays are marked clean by the host itself, at the latest when they are stopped. */
export async function waitClean(session: Session, array: string): Promise<number> {
  const host = await session.host();
  return refusable(
    session,
    async () => {
      await host.array(arrayKey(array));
    },
    ({ code }) => (code === "not-found" ? missing(array) : null),
  );
}

export async function setAction(
  session: Session,
  array: string,
  action: SyncActionWord,
): Promise<number> {
  const host = await session.host();
  const refusal = (why: string): readonly string[] => [
    `Count not set action for ${array} to ${action}: ${why}`,
  ];
  return refusable(
    session,
    async () => {
      const { level } = await host.array(arrayKey(array));
      if (!isRedundant(level)) throw new HoldfastError("unsupported", "No such file or directory");
      await host.set({ array: arrayKey(array), action: { kind: "sync-action", action } });
    },
    ({ code, message }) =>
      code === "not-found"
        ? missing(array)
        : refusal(code === "busy" ? "Device or resource busy" : message),
  );
}
