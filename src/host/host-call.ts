/** A call of a Host as data, for ways that carry data only: threads and sockets. */
import type { ArrayHost } from "./array-host.ts";
import type { MappedHost } from "./mapped/mapped-host.ts";

/** Arrays and mapped devices, side by side. */
export interface Host extends ArrayHost, MappedHost {}

export type HostMethod = keyof Host;

export type HostArgument<M extends HostMethod> = Parameters<Host[M]>[0];

export interface HostCall {
  readonly method: HostMethod;
  /** The method's. */
  readonly argument: unknown;
}

/** Which of the two has it. */
const HOST_METHODS: Readonly<
  Record<keyof ArrayHost, "arrays"> & Record<keyof MappedHost, "mapped">
> = {
  arrays: "arrays",
  array: "arrays",
  create: "arrays",
  build: "arrays",
  assemble: "arrays",
  include: "arrays",
  run: "arrays",
  stop: "arrays",
  set: "arrays",
  add: "arrays",
  remove: "arrays",
  fail: "arrays",
  replace: "arrays",
  grow: "arrays",
  mismatches: "arrays",
  wait: "arrays",
  events: "arrays",
  zeroSuperblock: "arrays",
  mappedDevices: "mapped",
  mappedDevice: "mapped",
  mappedCreate: "mapped",
  mappedLoad: "mapped",
  mappedClear: "mapped",
  mappedSuspend: "mapped",
  mappedResume: "mapped",
  mappedStatus: "mapped",
  mappedMessage: "mapped",
  mappedRename: "mapped",
  mappedSetUuid: "mapped",
  mappedRemove: "mapped",
  mappedWait: "mapped",
  targetTypes: "mapped",
};

/** @param call of this shape and types: whoever lets strangers call checks them */
export function callHost(host: Host, { method, argument }: HostCall): Promise<unknown> {
  const work = host[method].bind(host) as (given: unknown) => Promise<unknown>;
  return work(argument);
}

/** The Host at the other end of `send`. */
export function hostBehind(send: (call: HostCall) => Promise<unknown>): Host {
  const methods = Object.keys(HOST_METHODS) as HostMethod[];
  const made = methods.map((method) => [
    method,
    (argument?: unknown) => send({ method, argument }),
  ]);
  // Each method is there, and takes and gives what the other end's takes and gives.
  return Object.fromEntries(made) as Record<HostMethod, never>;
}

/** Both as one. */
export function bothHosts(arrays: ArrayHost, mapped: MappedHost): Host {
  const hosts = { arrays, mapped };
  return hostBehind(({ method, argument }) => {
    const host = hosts[HOST_METHODS[method]] as unknown as Host;
    return callHost(host, { method, argument });
  });
}
