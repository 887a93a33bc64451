/** --replace and its --with: the first device behind --with takes the place of the first behind --replace, and so on. */
import type { MemberView } from "../../md/view/array-view.ts";
import type { ManageCommand } from "../command.ts";
import { arrayKey } from "./array-name.ts";
import type { Session } from "./session.ts";

type ManagedDevice = ManageCommand["devices"][number];

/** The --with that belongs to the --replace at a place; undefined when there is none. */
function partnerOf(devices: readonly ManagedDevice[], at: number): ManagedDevice | undefined {
  let first = at;
  while (devices[first - 1]?.action === "replace") first -= 1;
  let end = at;
  while (devices[end]?.action === "replace") end += 1;
  const partner = devices[end + at - first];
  const others = devices.slice(end, end + at - first + 1);
  return others.every(({ action }) => action === "with") ? partner : undefined;
}

function memberAt(session: Session, members: readonly MemberView[], word: string) {
  const absolute = session.absolute(word);
  return members.find(({ path, device }) => path === absolute || device === word);
}

export async function replaceDevices(
  session: Session,
  command: ManageCommand,
  device: ManagedDevice,
  at: number,
): Promise<number> {
  const host = await session.host();
  const array = arrayKey(command.array);
  const { members } = await host.array(array);
  const old = memberAt(session, members, device.path);
  if (old === undefined || old.slot === null || old.faulty)
    return session.refuse(1, `${device.path} not found in ${command.array} so cannot --replace it`);
  const partner = partnerOf(command.devices, at);
  const taker = partner === undefined ? undefined : memberAt(session, members, partner.path);
  if (partner !== undefined && taker === undefined)
    return session.refuse(
      1,
      `${partner.path} not found in ${command.array} so cannot make it preferred replacement`,
    );
  await host.replace({
    array,
    device: old.path ?? old.device,
    with: taker === undefined ? null : (taker.path ?? taker.device),
  });
  session.result({ replacing: device.path, with: partner?.path ?? null, array: command.array });
  if (session.isQuiet) return 0;
  session.warn(`Marked ${device.path} (device ${old.slot} in ${command.array}) for replacement`);
  if (partner !== undefined)
    session.warn(
      `Marked ${partner.path} in ${command.array} as replacement for device ${old.slot}`,
    );
  return 0;
}
