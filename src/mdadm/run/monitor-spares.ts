/**
 * Spares of one array that another of its group lacks: an array that is degraded, rebuilds nothing and has no spare gets one of an array
 * of the same spare-group that is whole. What does not fit goes back to where it came from.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { ArrayHost } from "../../host/array-host.ts";
import type { ArrayView, MemberView } from "../../md/view/array-view.ts";
import type { ArrayLine } from "../config.ts";
import type { Alert } from "./monitor-alert.ts";
import { lineOf, sparesOf } from "./monitor-watch.ts";
import type { Session } from "./session.ts";

function isInNeed(view: ArrayView): boolean {
  return view.degraded > 0 && view.sync === null && sparesOf(view).length === 0;
}

function isLargeEnough({ sizeKib }: MemberView, { componentKib }: ArrayView): boolean {
  return sizeKib >= componentKib;
}

async function isMoved(
  host: ArrayHost,
  device: string,
  from: ArrayView,
  to: ArrayView,
): Promise<boolean> {
  const call = { device, as: "spare", writeMostly: null, failFast: null, update: null } as const;
  await host.remove({ array: from.kernelName, device });
  try {
    await host.add({ ...call, array: to.kernelName });
    return true;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    await host.add({ ...call, array: from.kernelName });
    return false;
  }
}

export async function moveSpares(
  session: Session,
  lines: readonly ArrayLine[],
  views: readonly ArrayView[],
): Promise<Alert[]> {
  const groupOf = (view: ArrayView): string | null => lineOf(lines, view)?.spareGroup ?? null;
  const alerts: Alert[] = [];
  for (const needy of views.filter(isInNeed)) {
    const group = groupOf(needy);
    if (group === null) continue;
    const donors = views.filter(
      (view) => view !== needy && view.degraded === 0 && groupOf(view) === group,
    );
    const gifts = donors.flatMap((donor) =>
      sparesOf(donor)
        .filter((member) => member.path !== null && isLargeEnough(member, needy))
        .map((member) => ({ donor, path: member.path! })),
    );
    for (const { donor, path } of gifts)
      if (await isMoved(await session.host(), path, donor, needy)) {
        alerts.push({ event: "MoveSpare", array: needy.path, about: donor.path });
        break;
      }
  }
  return alerts;
}
