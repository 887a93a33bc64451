/** Makes the targets of a table, one after the other. If one cannot be made nothing is left of those before it. */
import { HoldfastError, errorIn, toHoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { ParityEngine } from "../parity/engine.ts";
import type { SyncScheduler } from "../sync/scheduler.ts";
import { LiveTable } from "./live-table.ts";
import type { PlacedTarget } from "./live-table.ts";
import type { MappedDevice } from "./mapped-device.ts";
import type { MappedParts } from "./parts.ts";
import type { Table, TableLine } from "./table.ts";
import type { TableDevices } from "./table-devices.ts";
import type { TargetContext, TargetDevice } from "./target.ts";
import { Words } from "./words.ts";

export interface LoadOptions {
  readonly env: Env;
  readonly parityEngine: () => ParityEngine;
  readonly scheduler: SyncScheduler;
  readonly parts: MappedParts;
  /** Whose table it is. */
  readonly device: MappedDevice;
  readonly readOnly: boolean;
  readonly opened: TableDevices;
  readonly shared: Map<string, object>;
}

/** @throws HoldfastError naming the line and the target */
export async function loadTable(table: Table, options: LoadOptions): Promise<LiveTable> {
  checkImmutable(table, options.device);
  const targets: PlacedTarget[] = [];
  const devices: TargetDevice[] = [];
  try {
    for (const [index, line] of table.entries()) {
      try {
        targets.push(await construct(line, table.length, devices, options));
      } catch (thrown) {
        const where =
          table.length === 1
            ? options.device.name
            : `${options.device.name}, table line ${index + 1}`;
        throw errorIn(where, toHoldfastError(thrown));
      }
    }
  } catch (error) {
    await new LiveTable(targets, devices, true).close();
    throw error;
  }
  return new LiveTable(targets, devices, options.readOnly);
}

/** Where others keep what a target makes of its device, no other may take its place; "error" may, for a while. */
function checkImmutable(table: Table, { name, live }: MappedDevice): void {
  const there = live?.targets.find(({ type }) => type.isImmutable === true)?.type.name;
  if (there !== undefined && table.some(({ target }) => target !== there && target !== "error"))
    throw new HoldfastError(
      "usage",
      `${name}: nothing else than error can take the place of ${there}.`,
    );
}

async function construct(
  { start, sectors, target: name, words }: TableLine,
  lines: number,
  devices: TargetDevice[],
  { env, parityEngine, scheduler, parts, device, readOnly, opened, shared }: LoadOptions,
): Promise<PlacedTarget> {
  const type = parts.targetType(name);
  if (type.isSingleton && lines > 1)
    throw new HoldfastError("usage", `${name} is only ever alone in its table.`);
  const context: TargetContext = {
    env,
    parityEngine,
    scheduler,
    name: device.name,
    owner: device,
    sectors,
    isReadOnly: readOnly,
    open: async (word, mode = readOnly ? "read-only" : "read-write") => {
      const found = await opened.open(word, device, mode === "read-only");
      devices.push(found);
      return found;
    },
    event: () => device.event(),
    syncUsers: () => device.syncUsers(),
    shared: <T extends object>(key: string, make: () => T): T => {
      const known = shared.get(key) ?? make();
      shared.set(key, known);
      // Keys say what they are for.
      return known as T;
    },
  };
  const target = await type.construct(context, new Words(name, words));
  return { start, sectors, type, target };
}
