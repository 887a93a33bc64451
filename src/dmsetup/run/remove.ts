/** remove, remove_all. */
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { named, noDevice } from "../session.ts";
import type { DeviceRef, Session } from "../session.ts";
import { noDeviceNamed, refsOf } from "./device-names.ts";
import { wipeTable } from "./change.ts";

/** As dmsetup tries it with --retry. */
const RETRIES = 25;
const RETRY_MS = 200;

export async function runRemove(session: Session, words: readonly string[]): Promise<void> {
  const refs = refsOf(session, words);
  if (refs === null) throw noDeviceNamed();
  for (const ref of refs) await remove(session, ref);
}

async function remove(session: Session, ref: DeviceRef): Promise<void> {
  const { force } = session.options;
  const view = await session.find(ref);
  // One that could not be started again is known to the host by its name alone.
  if (view === null && ref.name === "") throw noDevice("remove", ref);
  // 1 whoever has it open meets errors, 2 it goes, if nobody has.
  if (force && view !== null) await wipeTable(session, ref);
  const device = view?.name ?? ref.name;
  const outcome = await attempts(session, ref, device);
  session.result({ name: device, outcome });
}

async function attempts(session: Session, ref: DeviceRef, device: string): Promise<string> {
  const host = await session.host();
  const { deferred, retry } = session.options;
  for (let left = retry ? RETRIES : 0; ; left -= 1) {
    try {
      return await host.mappedRemove({ device, deferred });
    } catch (thrown) {
      const error = toHoldfastError(thrown);
      if (error.code === "not-found") throw noDevice("remove", ref);
      if (error.code !== "busy" || left === 0)
        return session.ioctl("remove", ref, () => Promise.reject(error));
      await new Promise<void>((resolve) => void session.tools.env.timers.set(RETRY_MS, resolve));
    }
  }
}

/** Those that somebody has open go when nobody has. */
async function removeLater(session: Session, name: string): Promise<void> {
  const outcome = await session.ioctl("remove", named(name), (host) =>
    host.mappedRemove({ device: name, deferred: true }),
  );
  session.result({ name, outcome });
}

/** Those that nobody has open, as long as there are any. */
export async function runRemoveAll(session: Session): Promise<void> {
  if (!session.options.force)
    throw new HoldfastError(
      "usage",
      "remove_all removes every mapped device that is not open; give --force if that is meant.",
    );
  const host = await session.host();
  for (;;) {
    const { deferred } = session.options;
    const all = await session.all();
    const idle = all.filter(({ openCount }) => openCount === 0);
    if (idle.length === 0 && deferred) for (const { name } of all) await removeLater(session, name);
    if (idle.length === 0) return;
    for (const { name } of idle) {
      await session.ioctl("remove", named(name), () =>
        host.mappedRemove({ device: name, deferred: false }),
      );
      session.result({ name, outcome: "removed" });
    }
  }
}
