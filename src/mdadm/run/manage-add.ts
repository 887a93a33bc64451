/** --add, --add-spare, --re-add and --add-journal. */
import { HoldfastError } from "../../base/errors.ts";
import type { AddCall } from "../../host/array-host.ts";
import type { ManageCommand } from "../command.ts";
import { arrayKey } from "./array-name.ts";
import { openFailure, probeCandidate } from "./probe.ts";
import { devicesToScan } from "./scan-devices.ts";
import type { Session } from "./session.ts";

type ManagedDevice = ManageCommand["devices"][number];

function addedAs({ action }: ManagedDevice): AddCall["as"] {
  switch (action) {
    case "re-add":
      return "re-add";
    case "add-spare":
      return "spare";
    case "add-journal":
      return "journal";
    default:
      return "member";
  }
}

/** @throws `unsupported` for what a running array has no way to change */
function updateOf({ update }: ManageCommand): AddCall["update"] {
  if (update === null || update === "bbl" || update === "no-bbl") return update;
  throw new HoldfastError("unsupported", `--update=${update} is not done together with --re-add`);
}

function refusal(command: ManageCommand, device: ManagedDevice, error: HoldfastError): string[] {
  const { path, action } = device;
  switch (error.code) {
    case "not-found":
    case "permission":
    case "busy":
      return [`Cannot open ${path}: ${openFailure(error)}`, error.message];
    default:
      return action === "re-add"
        ? [`--re-add for ${path} to ${command.array} is not possible`, error.message]
        : [`${path} was not added to ${command.array}: ${error.message}`];
  }
}

export async function addDevice(
  session: Session,
  command: ManageCommand,
  device: ManagedDevice,
): Promise<number> {
  const host = await session.host();
  const array = arrayKey(command.array);
  const update = updateOf(command);
  try {
    const { kind } = await host.add({
      array,
      device: session.absolute(device.path),
      as: addedAs(device),
      writeMostly: device.writeMostly,
      failFast: device.failFast,
      update,
    });
    session.result({
      [kind === "re-added" ? "reAdded" : "added"]: device.path,
      array: command.array,
    });
    if (!session.isQuiet)
      session.warn(`${kind === "re-added" ? "re-added" : "added"} ${device.path}`);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return session.refuse(1, ...refusal(command, device, thrown));
  }
}

/** @returns what was done; null: it is no member that has failed and can be taken back where it stands */
export async function reviveFailed(
  session: Session,
  command: ManageCommand,
  device: string,
): Promise<string | null> {
  const host = await session.host();
  const { kernelName, members } = await host.array(arrayKey(command.array));
  const member = members.find((each) => each.path === device || each.device === device);
  if (member === undefined || !member.faulty) return null;
  try {
    const action = { kind: "state", word: "re-add", on: true } as const;
    await host.set({
      array: kernelName,
      action: { kind: "member", folder: `dev-${member.path ?? member.device}`, action },
    });
    return `re-add ${device} to ${kernelName} succeed`;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    return null;
  }
}

/** --re-add missing: every device of the configuration that was a member and is none now. */
export async function reAddMissing(session: Session, command: ManageCommand): Promise<number> {
  const view = await (await session.host()).array(arrayKey(command.array));
  const present = new Set(view.members.map(({ path }) => path));
  let code = 0;
  for (const path of await devicesToScan(session)) {
    if (present.has(session.absolute(path))) continue;
    const candidate = await probeCandidate(session, path, null).catch(() => null);
    if (candidate === null || candidate.superblock.arrayUuid !== view.uuid) continue;
    const device = { path, missing: false, writeMostly: null, failFast: null } as const;
    code |= await addDevice(session, command, {
      ...device,
      dataOffsetSectors: null,
      action: "re-add",
    });
  }
  return code;
}
