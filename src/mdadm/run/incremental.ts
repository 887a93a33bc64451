/** mdadm --incremental: one device at a time, into the array that it belongs to, which starts once there are enough. */
import { HoldfastError } from "../../base/errors.ts";
import type { ArrayHost, ArrayNames, IncludeOutcome } from "../../host/array-host.ts";
import { isRunning } from "../../md/view/array-view.ts";
import type { ArrayView } from "../../md/view/array-view.ts";
import type { IncrementalCommand } from "../command.ts";
import { matchConfig } from "../config-match.ts";
import { arrayNamed } from "./array-name.ts";
import { runArray } from "./control.ts";
import { withKernelName } from "./kernel-name.ts";
import { ownNameOf } from "./own-name.ts";
import { foundArray, openFailure, probeCandidate, refuseForeign } from "./probe.ts";
import type { Candidate } from "./probe.ts";
import { isScanned } from "./scan-devices.ts";
import type { Session } from "./session.ts";

const MISMATCH = 2;

/** What the array is to be called, or why the device is left alone. */
type Naming =
  | { readonly kind: "named"; readonly names: ArrayNames; readonly isForeign: boolean }
  | { readonly kind: "refused"; readonly code: number; readonly why: string };

async function nameFor(session: Session, host: ArrayHost, candidate: Candidate): Promise<Naming> {
  const { superblock, path } = candidate;
  const match = matchConfig((await session.config()).arrays, foundArray(candidate));
  if (match.kind === "ambiguous")
    return {
      kind: "refused",
      code: MISMATCH,
      why: `two ARRAY lines of the configuration claim ${path}, so it belongs to neither.`,
    };
  const line = match.kind === "one" ? match.line : null;
  if (line?.device === "<ignore>")
    return {
      kind: "refused",
      code: 1,
      why: `array containing ${path} is explicitly ignored by mdadm.conf`,
    };
  const arrays = await host.arrays();
  const there = arrays.find(({ uuid }) => uuid === superblock.arrayUuid);
  const own = ownNameOf(superblock, await session.homehost(), arrays);
  // What the configuration names is trusted, wherever it comes from.
  const isForeign = line === null && own.isForeign;
  if (there !== undefined) {
    const { kernelName, path: shown } = there;
    return { kind: "named", names: { kernelName, path: shown }, isForeign };
  }
  const device = line?.device ?? null;
  const names = device === null ? own.names : arrayNamed(device);
  return {
    kind: "named",
    names: await withKernelName(session, { kernelName: names.kernelName, path: names.path }),
    isForeign,
  };
}

/** So many members do, whichever they are. */
function leastToStart({ level, layout, raidDisks }: ArrayView): number {
  switch (level) {
    case 1:
      return 1;
    case 4:
    case 5:
      return raidDisks - 1;
    case 6:
      return raidDisks - 2;
    case 10:
      return raidDisks - (layout & 0xff) * ((layout >>> 8) & 0xff) + 1;
    default:
      return raidDisks;
  }
}

function isShort({ array, present }: IncludeOutcome): boolean {
  return present < leastToStart(array);
}

function outcomeText(device: string, outcome: IncludeOutcome): string {
  const { kind, array, present } = outcome;
  const attached = `${device} attached to ${array.path}`;
  switch (kind) {
    case "started":
      return `${attached}, which has been started.`;
    case "added":
      return `${attached} which is already active.`;
    case "inactive":
      return isShort(outcome)
        ? `${attached}, not enough to start (${present}).`
        : `${attached}, not enough to start safely.`;
  }
}

function startedWord(outcome: IncludeOutcome): string {
  if (outcome.kind === "started") return "yes";
  if (outcome.kind === "added") return "already";
  return isShort(outcome) ? "no" : "unsafe";
}

function tell(session: Session, device: string, outcome: IncludeOutcome, isForeign: boolean): void {
  session.result(outcome);
  const { array } = outcome;
  if (!session.common.export) {
    if (!session.isQuiet) session.warn(outcomeText(device, outcome));
    return;
  }
  const bare = array.path.startsWith("/dev/md/") ? array.path.slice(8) : null;
  const lines = [
    `MD_DEVICE=${array.kernelName}`,
    ...(bare === null ? [] : [`MD_DEVNAME=${bare}`]),
    `MD_FOREIGN=${isForeign ? "yes" : "no"}`,
    `MD_STARTED=${startedWord(outcome)}`,
  ];
  session.print(lines.map((line) => `${line}\n`).join(""));
}

async function candidateOf(
  session: Session,
  command: IncrementalCommand,
  device: string,
): Promise<Candidate | null> {
  try {
    const candidate = await probeCandidate(session, device, command.metadata);
    if (candidate === null) session.warn(`no RAID superblock on ${device}.`);
    return candidate;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    session.warn(`cannot open ${device}: ${openFailure(thrown)}.`);
    return null;
  }
}

async function addDevice(
  session: Session,
  command: IncrementalCommand,
  device: string,
): Promise<number> {
  refuseForeign(command.metadata);
  if (!(await isScanned(session, session.absolute(device))))
    return session.refuse(1, `${device} not permitted by mdadm.conf.`);
  const candidate = await candidateOf(session, command, device);
  if (candidate === null) return 1;
  const host = await session.host();
  const naming = await nameFor(session, host, candidate);
  if (naming.kind === "refused") return session.refuse(naming.code, naming.why);
  try {
    const outcome = await host.include({
      names: naming.names,
      device: candidate.absolute,
      mode: naming.isForeign ? "read-auto" : "read-write",
      run: command.run,
    });
    tell(session, device, outcome, naming.isForeign);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    if (thrown.code === "busy")
      return session.refuse(1, `cannot reopen ${device}: Device or resource busy.`, thrown.message);
    return session.refuse(MISMATCH, thrown.message);
  }
}

/** A device that went away: out of whatever array has it. */
async function removeDevice(session: Session, device: string): Promise<number> {
  const host = await session.host();
  const absolute = session.absolute(device);
  const bare = device.replace(/^\/dev\//, "");
  for (const { kernelName, path: array, members } of await host.arrays()) {
    const member = members.find((each) => each.path === absolute || each.device === bare);
    if (member === undefined) continue;
    const key = member.path ?? member.device;
    try {
      if (!member.faulty) await host.fail({ array: kernelName, device: key });
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      // The last one that is good stays where it is.
      session.warn(`set device faulty failed for ${device}:  ${openFailure(thrown)}`);
      return 0;
    }
    if (!session.isQuiet) session.warn(`set ${device} faulty in ${array}`);
    await host.remove({ array: kernelName, device: key });
    session.result({ removed: device, array });
    if (!session.isQuiet) session.warn(`hot removed ${device} from ${array}`);
    return 0;
  }
  return session.refuse(1, `${device} does not appear to be a component of any array`);
}

/** Starts what waits for more and could do without. */
async function startWaiting(session: Session): Promise<number> {
  let code = 0;
  for (const view of await (await session.host()).arrays())
    if (!isRunning(view)) code |= await runArray(session, view.path);
  return code;
}

export async function runIncremental(
  session: Session,
  command: IncrementalCommand,
): Promise<number> {
  const { what } = command;
  switch (what.kind) {
    case "add":
      return addDevice(session, command, what.device);
    case "remove":
      return removeDevice(session, what.device);
    case "rebuild-map":
      // The host always knows which arrays there are: there is no list beside it.
      return 0;
    case "scan":
      return command.run ? startWaiting(session) : 0;
  }
}
