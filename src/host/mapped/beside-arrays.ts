/** The mapped devices of a host of arrays: both hold devices by one registry, and each may stand on the other. */
import type { Env } from "../../env/env.ts";
import type { ParityEngine } from "../../parity/engine.ts";
import type { SyncScheduler } from "../../sync/scheduler.ts";
import type { ArrayList } from "../array-list.ts";
import { DeviceRegistry } from "../device-registry.ts";
import type { MappedMembers, MemberOpener } from "../device-registry.ts";
import { isCalled } from "../names.ts";
import { MD_MAJOR } from "../view.ts";
import { LocalMappedHost } from "./local-mapped-host.ts";
import { TablePaths } from "./table-paths.ts";
import type { ArrayBelow } from "./table-paths.ts";

export interface BesideOptions {
  readonly env: Env;
  readonly parity: () => ParityEngine;
  readonly scheduler: SyncScheduler;
  readonly openDevice: MemberOpener;
  /** Of the registry. */
  readonly timeoutMs: number | null;
}

export function mappedBeside(
  list: ArrayList,
  { env, parity, scheduler, openDevice, timeoutMs }: BesideOptions,
): { readonly mapped: LocalMappedHost; readonly registry: DeviceRegistry } {
  // Called when there are both.
  const members: MappedMembers = {
    minorOf: (path) => mapped.minorOf(path),
    pathOf: (minor) => mapped.pathOf(minor),
    open: (path, how) => mapped.open(path, how),
  };
  const registry = new DeviceRegistry(env, openDevice, members, timeoutMs);
  const paths: TablePaths = new TablePaths({
    env,
    registry,
    array: (path) => arrayCalled(list, path),
    isAbove: (path, lower) => mapped.standsOn(path, lower),
  });
  const mapped: LocalMappedHost = new LocalMappedHost({
    env,
    parityEngine: parity,
    scheduler,
    paths,
  });
  return { mapped, registry };
}

function arrayCalled(list: ArrayList, path: string): ArrayBelow | null {
  if (!path.startsWith("/dev/")) return null;
  const hosted = list.arrays.find(({ names }) => isCalled(names, path));
  if (hosted === undefined || hosted.state.kind === "gone") return null;
  const { kernelName, minor } = hosted.names;
  return {
    kernelName,
    path: hosted.names.path,
    major: MD_MAJOR,
    minor,
    volume: hosted.volume,
    members: hosted.held.map(({ currentPath }) => currentPath),
    use: () => hosted.use(),
  };
}
