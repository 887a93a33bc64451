/**
 * A small host whose arrays are memory: what can be assembled is named by the test, everything else is refused. It does what its contract says
 * about names, `busy`, events and volumes, so that what holds it can be tested without disks.
 */
import { HoldfastError } from "../../src/base/errors.ts";
import { MemoryDevice } from "../../src/devices/memory.ts";
import type { Env } from "../../src/env/env.ts";
import type { AssembleCall, AssembleOutcome, HostEvent } from "../../src/host/array-host.ts";
import { hostBehind } from "../../src/host/host-call.ts";
import type { ArrayListener, ServedArray } from "../../src/host/listener.ts";
import type { OwnedHost } from "../../src/host/owned-host.ts";
import type { ArrayView } from "../../src/md/view/array-view.ts";
import { recordedView } from "./array-view.ts";
import { goldenCase } from "./golden.ts";

function viewOf(caseName: string, changes: Partial<ArrayView> = {}): ArrayView {
  const read = Object.values(goldenCase(caseName).views[0]!.volumes)[0]!;
  return { ...recordedView(read)!, ...changes };
}

export interface MemoryArrays {
  readonly make: (env: Env) => OwnedHost;
  /** In order: "assemble md0", "stop md0", "close". */
  readonly log: string[];
  /** Paths of devices that cannot be used any more. */
  readonly broken: Set<string>;
}

const SECTORS = 2048;

export function memoryArrays(): MemoryArrays {
  const log: string[] = [];
  const broken = new Set<string>();
  const make = (env: Env): OwnedHost => {
    const running = new Map<string, ArrayView>();
    const served = new Map<string, ServedArray>();
    const users = new Map<string, number>();
    let listener: ArrayListener | null = null;
    const events: HostEvent[] = [];
    const waiters = new Set<() => void>();
    const wake = (): void => {
      for (const resolve of waiters) resolve();
      waiters.clear();
    };
    const happened = (kind: HostEvent["kind"], array: string): void => {
      const number = events.length + 1;
      events.push({ number, wallMs: env.clock.wallMs(), kind, array, device: null, detail: null });
      wake();
    };
    const named = (array: string): ArrayView => {
      const found = running.get(array.replace(/^\/dev\//, ""));
      if (found === undefined) throw new HoldfastError("not-found", `${array} does not run.`);
      return found;
    };
    const assemble = (call: AssembleCall): AssembleOutcome => {
      const bad = call.devices.find((path) => broken.has(path));
      if (bad !== undefined) throw new HoldfastError("cannot-start", `${bad} is gone.`);
      const kernelName = call.names.kernelName ?? "md127";
      if (running.has(kernelName)) throw new HoldfastError("busy", `${kernelName} runs already.`);
      const view = viewOf("raid1-2-bitmap", {
        kernelName,
        path: `/dev/${kernelName}`,
        uuid: `${kernelName}:0:0:0`,
        state: call.mode === "read-write" ? "clean" : "readonly",
      });
      const members = view.members.map((member, index) => ({
        ...member,
        path: call.devices[index]!,
      }));
      const array = { ...view, members };
      running.set(kernelName, array);
      log.push(`assemble ${kernelName}`);
      const volume = new MemoryDevice({ name: kernelName, sectors: SECTORS });
      const one = { kernelName, path: array.path, volume };
      served.set(kernelName, one);
      listener?.appeared(one);
      happened("NewArray", array.path);
      const counts = { active: 2, rebuilding: 0, spares: 0, hasJournal: false };
      return { kind: "started", reason: null, array, ...counts, leftOut: [], forced: [] };
    };
    const stop = async (name: string, force: boolean): Promise<void> => {
      const { kernelName, path } = named(name);
      if (!force && (users.get(kernelName) ?? 0) > 0)
        throw new HoldfastError("busy", `${path} is open in an NBD client.`);
      running.delete(kernelName);
      await listener?.leaving(served.get(kernelName)!);
      log.push(`stop ${kernelName}`);
      happened("DeviceDisappeared", path);
    };
    const host = hostBehind(async ({ method, argument }) => {
      switch (method) {
        case "arrays":
          return [...running.values()];
        case "mappedDevices":
          return [];
        case "array":
          return named(argument as string);
        case "assemble":
          return assemble(argument as AssembleCall);
        case "stop": {
          const { array, force } = argument as { array: string; force: boolean };
          return stop(array, force);
        }
        case "set": {
          const { array } = argument as { array: string };
          running.set(named(array).kernelName, { ...named(array), lastSyncAction: "check" });
          return undefined;
        }
        case "events": {
          const { after, waitMs } = argument as { after: number; waitMs: number };
          if (events.length <= after && waitMs > 0)
            await new Promise<void>((resolve) => void waiters.add(resolve));
          return events.slice(after);
        }
        default:
          throw new HoldfastError("unsupported", `${method} is not for arrays of memory.`);
      }
    });
    return {
      ...host,
      listen(given) {
        listener = given;
        return () => (listener = null);
      },
      use(array) {
        users.set(array, (users.get(array) ?? 0) + 1);
        return () => users.set(array, users.get(array)! - 1);
      },
      letGo: () => Promise.resolve(),
      async close() {
        for (const name of running.keys()) await stop(name, true);
        wake();
        log.push("close");
        return [];
      },
    };
  };
  return { make, log, broken };
}
