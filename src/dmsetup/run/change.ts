/** Commands that change a device: suspend, resume, clear, rename, message, wait, wipe_table. */
import { HoldfastError } from "../../base/errors.ts";
import { splitWords } from "../../dm/table.ts";
import type { MappedHost, MappedView } from "../../host/mapped/mapped-host.ts";
import type { DeviceRef, Session } from "../session.ts";
import { checkNewName, firstRef, noDeviceNamed, ownName, refsOf } from "./device-names.ts";
import { tellInfo } from "./show.ts";

async function forEach(
  session: Session,
  words: readonly string[],
  ioctl: string,
  work: (host: MappedHost, device: string) => Promise<MappedView>,
): Promise<void> {
  const refs = refsOf(session, words);
  if (refs === null) throw noDeviceNamed();
  for (const ref of refs) {
    const { name } = await session.need(ioctl, ref);
    const view = await session.ioctl(ioctl, ref, (host) => work(host, name));
    tellInfo(session, view);
    session.result(view);
  }
}

export function runSuspend(session: Session, words: readonly string[]): Promise<void> {
  const { noFlush, noLockFs } = session.options;
  return forEach(session, words, "suspend", (host, device) =>
    host.mappedSuspend({ device, noFlush, noLockFs }),
  );
}

export function runResume(session: Session, words: readonly string[]): Promise<void> {
  return forEach(session, words, "resume", (host, device) => host.mappedResume(device));
}

export function runClear(session: Session, words: readonly string[]): Promise<void> {
  return forEach(session, words, "clear", (host, device) => host.mappedClear(device));
}

/** An error target in place of all there is; who has it open keeps it. */
export async function wipeTable(session: Session, ref: DeviceRef): Promise<MappedView> {
  const view = await session.need("table", ref);
  const { name: device, live, isReadOnly: readOnly } = view;
  if (live === null || live.sectors === 0) return view;
  return session.ioctl("reload", ref, async (host) => {
    await host.mappedLoad({ device, table: `0 ${live.sectors} error`, readOnly });
    // What waits in a target comes back, and fails by the error target.
    await host.mappedSuspend({ device, noFlush: true, noLockFs: true });
    return host.mappedResume(device);
  });
}

export async function runWipeTable(session: Session, words: readonly string[]): Promise<void> {
  const refs = refsOf(session, words);
  if (refs === null) throw noDeviceNamed();
  for (const ref of refs) session.result(await wipeTable(session, ref));
}

export async function runRename(session: Session, words: readonly string[]): Promise<void> {
  const { ref, rest } = firstRef(session, words);
  const [given] = rest;
  if (ref === null || given === undefined) throw noDeviceNamed();
  if (rest.length > 1)
    throw new HoldfastError("usage", `One new name is expected, not ${rest.length}.`);
  const name = session.options.setUuid ? "" : ownName(given);
  checkNewName(name);
  const { name: device } = await session.need("rename", ref);
  const view = await session.ioctl("rename", ref, (host) =>
    session.options.setUuid
      ? host.mappedSetUuid({ device, uuid: given })
      : host.mappedRename({ device, name }),
  );
  session.result(view);
}

export async function runMessage(session: Session, words: readonly string[]): Promise<void> {
  const { ref, rest } = firstRef(session, words);
  const [place = "", ...message] = rest;
  if (ref === null) throw noDeviceNamed();
  if (!/^\d+$/.test(place)) throw new HoldfastError("usage", "Invalid sector.");
  if (message.length === 0) throw new HoldfastError("usage", "No message supplied.");
  // It is one text for the kernel, which takes it apart: `message pool 0 "create_thin 0"` is the same as without quotes.
  const said = splitWords(message.join(" "));
  const { name: device } = await session.need("message", ref);
  const { answer } = await session.ioctl("message", ref, (host) =>
    host.mappedMessage({ device, sector: Number(place), words: said }),
  );
  if (answer !== null) session.print(answer);
  session.result({ name: device, answer });
}

export async function runWait(session: Session, words: readonly string[]): Promise<void> {
  const { ref, rest } = firstRef(session, words);
  if (ref === null) throw noDeviceNamed();
  const [number = "0"] = rest;
  if (!/^\d+$/.test(number))
    throw new HoldfastError("usage", `"${number}" is no number of an event.`);
  const { name: device } = await session.need("waitevent", ref);
  const event = await session.ioctl("waitevent", ref, (host) =>
    host.mappedWait({ device, event: Number(number) }),
  );
  session.result({ name: device, event });
  const view = session.options.verbosity > 0 ? await session.find(ref) : null;
  if (view !== null) tellInfo(session, view);
}
