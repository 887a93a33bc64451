/** Every array that is found on the devices to scan and fits, under its own name. */
import type { AssembleCommand } from "../command.ts";
import { claims } from "../config-match.ts";
import type { WantedIdentity } from "./assemble-candidates.ts";
import { gatherMembers } from "./assemble-candidates.ts";
import { assembleOne } from "./assemble-one.ts";
import { mayAssemble } from "./auto-policy.ts";
import { withKernelName } from "./kernel-name.ts";
import { ownNameOf } from "./own-name.ts";
import { foundArray } from "./probe.ts";
import type { Candidate } from "./probe.ts";
import { devicesToScan } from "./scan-devices.ts";
import type { Session } from "./session.ts";

const NOTHING_FOUND = 2;

async function isIgnored(session: Session, candidate: Candidate): Promise<boolean> {
  const { arrays } = await session.config();
  const found = foundArray(candidate);
  return arrays.some((line) => line.device === "<ignore>" && claims(line, found));
}

async function assembleGroup(
  session: Session,
  command: AssembleCommand,
  members: readonly Candidate[],
): Promise<number> {
  const { superblock } = members[0]!;
  const arrays = await (await session.host()).arrays();
  const { names, isForeign } = ownNameOf(superblock, await session.homehost(), arrays);
  const { auto } = await session.config();
  if (!mayAssemble(auto, superblock, isForeign)) return NOTHING_FOUND;
  return assembleOne(session, {
    names: await withKernelName(session, names),
    shown: names.path,
    members,
    mode: command.readOnly ? "read-only" : isForeign ? "read-auto" : "read-write",
    run: !command.noDegraded,
    noDegraded: command.noDegraded,
    update: null,
  });
}

/** @returns 0 when at least one was started, 2 when there is none */
export async function assembleFound(
  session: Session,
  command: AssembleCommand,
  wanted: WantedIdentity,
): Promise<number> {
  let left = await devicesToScan(session);
  let started = 0;
  let failed = 0;
  for (;;) {
    const { metadata } = command;
    const gathered = await gatherMembers(session, {
      wanted,
      paths: left,
      isListed: false,
      metadata,
    });
    const members = gathered.kind === "members" ? gathered.members : [];
    const [first] = members;
    if (first === undefined) break;
    const paths = new Set(members.map(({ path }) => path));
    left = left.filter((path) => !paths.has(path));
    if (await isIgnored(session, first)) continue;
    const code = await assembleGroup(session, command, members);
    if (code === 0) started += 1;
    else if (code !== NOTHING_FOUND) failed = 1;
  }
  return started > 0 ? 0 : failed > 0 ? failed : NOTHING_FOUND;
}
