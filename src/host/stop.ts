/** --stop. */
import { HoldfastError } from "../base/errors.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { ArrayList } from "./array-list.ts";
import type { HostedArray } from "./hosted-array.ts";
import { viewOf } from "./view.ts";

/**
 * The order: 1 clients go (by force, if it is wanted), 2 background sync, writes, bitmap, superblocks "clean" (ManagedArray.close), 3 devices.
 * @throws HoldfastError `busy` while clients have it open: nothing is changed then
 */
export async function stopArray(
  list: ArrayList,
  hosted: HostedArray,
  force: boolean,
): Promise<ArrayView | null> {
  const { path } = hosted.names;
  if (hosted.users > 0 && !force) {
    const many = hosted.users === 1 ? "a client has" : `${hosted.users} clients have`;
    throw new HoldfastError("busy", `${many} ${path} open`);
  }
  await list.withdraw(hosted);
  let last: ArrayView | null = null;
  if (hosted.state.kind === "running") {
    const { managed } = hosted.state;
    // Those who wait for a suspended range would wait for ever.
    await managed.array.suspendWrites({ sector: 0, sectors: 0 });
    await managed.close();
    last = viewOf(hosted);
  }
  hosted.openedVolume?.end();
  hosted.state = { kind: "gone" };
  await hosted.letGoOfAll();
  list.remove(hosted);
  return last;
}
