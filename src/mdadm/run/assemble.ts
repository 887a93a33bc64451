/**
 * mdadm --assemble: of the devices that are named, of what the configuration says of an array, of all its ARRAY lines, or of whatever is
 * found.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { AssemblyMode } from "../../host/array-host.ts";
import { isRunning } from "../../md/view/array-view.ts";
import type { AssembleCommand } from "../command.ts";
import type { ArrayLine } from "../config.ts";
import { sameDeviceName } from "../config-match.ts";
import { arrayKey, arrayNamed } from "./array-name.ts";
import { ANY_IDENTITY, gatherMembers } from "./assemble-candidates.ts";
import type { WantedIdentity } from "./assemble-candidates.ts";
import { assembleFound } from "./assemble-found.ts";
import { assembleOne } from "./assemble-one.ts";
import { updateFor } from "./assemble-update.ts";
import { withKernelName } from "./kernel-name.ts";
import { refuseForeign } from "./probe.ts";
import { devicesToScan } from "./scan-devices.ts";
import type { Session } from "./session.ts";

const NOTHING_FOUND = 2;

function refuseUnsupported({ nodes, homeCluster, metadata }: AssembleCommand): void {
  refuseForeign(metadata);
  if (nodes !== null || homeCluster !== null)
    throw new HoldfastError("unsupported", "clustered arrays are not assembled here");
}

function modeOf({ readOnly }: AssembleCommand): AssemblyMode {
  return readOnly ? "read-only" : "read-write";
}

interface Wish {
  readonly array: string;
  readonly wanted: WantedIdentity;
  readonly paths: readonly string[];
  readonly isListed: boolean;
}

/** The N of "dev". */
function minorOf(array: string): number | null {
  const digits = /(\d+)$/.exec(array)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** What is to be changed in the superblocks is not what they are found by. */
function identityGiven(command: AssembleCommand, array: string): WantedIdentity {
  const { identity, update } = command;
  const minor = identity.superMinor === "dev" ? minorOf(array) : identity.superMinor;
  return {
    ...ANY_IDENTITY,
    uuid: update === "uuid" ? null : identity.uuid,
    name: update === "name" ? null : identity.name,
    superMinor: minor,
  };
}

async function assembleWish(
  session: Session,
  command: AssembleCommand,
  { array, wanted, paths, isListed }: Wish,
): Promise<number> {
  const named = arrayNamed(array);
  session.detail(`looking for devices for ${array}`);
  const { metadata } = command;
  const gathered = await gatherMembers(session, { wanted, paths, isListed, metadata });
  if (gathered.kind === "aborted") return 1;
  const [first] = gathered.members;
  if (first === undefined) return session.refuse(NOTHING_FOUND, `no devices found for ${array}`);
  const { name: homehost } = await session.homehost();
  const { force } = session.common;
  return assembleOne(session, {
    names: await withKernelName(session, { kernelName: named.kernelName, path: named.path }),
    shown: array,
    members: gathered.members,
    mode: modeOf(command),
    run: !command.noDegraded && (command.run || force || !isListed),
    noDegraded: command.noDegraded,
    update: updateFor(command, {
      version: first.superblock.version,
      homehost,
      ownName: named.ownName,
    }),
  });
}

async function lineIdentity(line: ArrayLine, session: Session): Promise<WantedIdentity> {
  await session.config();
  return {
    uuid: line.uuid,
    name: line.name,
    superMinor: line.superMinor,
    level: line.level,
    raidDisks: line.raidDisks,
    devices: line.devices?.map((pattern) => session.absolute(pattern)) ?? null,
    metadata: line.metadata,
  };
}

async function assembleLine(
  session: Session,
  command: AssembleCommand,
  line: ArrayLine,
  array: string,
): Promise<number> {
  const wanted = await lineIdentity(line, session);
  const paths = await devicesToScan(session);
  return assembleWish(session, command, { array, wanted, paths, isListed: false });
}

async function assembleNamed(
  session: Session,
  command: AssembleCommand,
  array: string,
): Promise<number> {
  const { arrays } = await session.config();
  const line = arrays.find(({ device }) => device !== null && sameDeviceName(device, array));
  if (line === undefined) return session.refuse(1, `${array} not identified in config file.`);
  return assembleLine(session, command, line, array);
}

/** The name for a line that gives none: its array's own. */
function nameOfLine({ device, name, superMinor }: ArrayLine): string | null {
  if (device !== null) return device;
  if (superMinor !== null) return `/dev/md${superMinor}`;
  return name === null ? null : `/dev/md/${name.slice(name.indexOf(":") + 1)}`;
}

/** One that waits for more members is not: it can be completed. */
async function isThere(session: Session, line: ArrayLine): Promise<boolean> {
  const arrays = await (await session.host()).arrays();
  const key = line.device === null ? null : arrayKey(line.device);
  return arrays.some(
    (view) =>
      isRunning(view) &&
      ((line.uuid !== null && view.uuid === line.uuid) ||
        key === view.path ||
        key === view.kernelName ||
        key === `/dev/${view.kernelName}`),
  );
}

async function assembleLines(
  session: Session,
  command: AssembleCommand,
): Promise<{ readonly code: number; readonly found: number }> {
  const { arrays } = await session.config();
  let code = 0;
  let found = 0;
  for (const line of arrays) {
    if (line.device === "<ignore>") continue;
    const name = nameOfLine(line);
    if (await isThere(session, line)) {
      found += 1;
      continue;
    }
    const one =
      name === null
        ? await assembleFound(session, command, await lineIdentity(line, session))
        : await assembleLine(session, command, line, name);
    if (one === 0) found += 1;
    if (one !== NOTHING_FOUND) code |= one;
  }
  return { code, found };
}

async function assembleAll(session: Session, command: AssembleCommand): Promise<number> {
  const { code, found } = await assembleLines(session, command);
  if (found > 0 || code !== 0) return code;
  const auto = await assembleFound(session, command, ANY_IDENTITY);
  if (auto === NOTHING_FOUND)
    return session.refuse(1, "No arrays found in config file or automatically");
  return auto;
}

export async function runAssemble(session: Session, command: AssembleCommand): Promise<number> {
  refuseUnsupported(command);
  const { what, noDegraded, update } = command;
  if (noDegraded && !session.common.scan)
    return session.refuse(1, "--no-degraded not meaningful without a --scan assembly.");
  if (what.kind === "all" && update !== null)
    return session.refuse(1, "--update not meaningful with a --scan assembly.");
  switch (what.kind) {
    case "devices": {
      const isListed = what.devices.length > 0;
      return assembleWish(session, command, {
        array: what.array,
        wanted: identityGiven(command, what.array),
        paths: isListed ? what.devices : await devicesToScan(session),
        isListed,
      });
    }
    case "arrays": {
      let code = 0;
      for (const array of what.arrays) code |= await assembleNamed(session, command, array);
      return code;
    }
    case "all":
      return assembleAll(session, command);
  }
}
