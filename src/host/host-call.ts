/** A call of an ArrayHost as data, for ways that carry data only: threads and sockets. */
import type { ArrayHost } from "./array-host.ts";

export type HostMethod = keyof ArrayHost;

export type HostArgument<M extends HostMethod> = Parameters<ArrayHost[M]>[0];

export interface HostCall {
  readonly method: HostMethod;
  /** The method's. */
  readonly argument: unknown;
}

const HOST_METHODS: Readonly<Record<HostMethod, true>> = {
  arrays: true,
  array: true,
  create: true,
  build: true,
  assemble: true,
  include: true,
  run: true,
  stop: true,
  set: true,
  add: true,
  remove: true,
  fail: true,
  replace: true,
  grow: true,
  mismatches: true,
  wait: true,
  events: true,
  zeroSuperblock: true,
};

/** @param call of this shape and types: whoever lets strangers call checks them */
export function callHost(host: ArrayHost, { method, argument }: HostCall): Promise<unknown> {
  const work = host[method].bind(host) as (given: unknown) => Promise<unknown>;
  return work(argument);
}

/** The ArrayHost at the other end of `send`. */
export function hostBehind(send: (call: HostCall) => Promise<unknown>): ArrayHost {
  const methods = Object.keys(HOST_METHODS) as HostMethod[];
  const made = methods.map((method) => [
    method,
    (argument?: unknown) => send({ method, argument }),
  ]);
  // Each method is there, and takes and gives what the other end's takes and gives.
  return Object.fromEntries(made) as Record<HostMethod, never>;
}
