/** The engine's arrays and mapped devices, with everything that changes them written down before it is answered. */
import { HoldfastError } from "../base/errors.ts";
import { ignore } from "../base/nothing.ts";
import { callHost, hostBehind } from "../host/host-call.ts";
import type { Host, HostArgument, HostCall, HostMethod } from "../host/host-call.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { StateKeeper } from "./state-keeper.ts";

/** Whether it may change what a restart has to know. */
const CHANGES: Readonly<Record<HostMethod, boolean>> = {
  arrays: false,
  array: false,
  mismatches: false,
  wait: false,
  events: false,
  zeroSuperblock: false,
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
  mappedDevices: false,
  mappedDevice: false,
  mappedStatus: false,
  mappedWait: false,
  targetTypes: false,
  mappedSuspend: false,
  mappedCreate: true,
  mappedLoad: false,
  mappedClear: false,
  mappedResume: true,
  mappedMessage: true,
  mappedRename: true,
  mappedSetUuid: true,
  mappedRemove: true,
};

export function recordingHost(host: Host, keeper: StateKeeper): Host {
  return hostBehind(async (call) => {
    if (!CHANGES[call.method]) return callHost(host, call);
    const joined =
      call.method === "add" ? await keeper.expect(call.argument as HostArgument<"add">) : ignore;
    try {
      const answer = await callHost(host, call);
      if (call.method === "build")
        keeper.built((answer as ArrayView).kernelName, call.argument as HostArgument<"build">);
      return answer;
    } catch (error) {
      if (await isForgotten(call, error, keeper)) return call.method === "stop" ? null : "removed";
      throw error;
    } finally {
      joined();
      // What failed may have been done in part.
      await keeper.record();
    }
  });
}

/** Stopping or removing what is not there but is listed. */
async function isForgotten(call: HostCall, error: unknown, keeper: StateKeeper): Promise<boolean> {
  if (!(error instanceof HoldfastError) || error.code !== "not-found") return false;
  if (call.method === "stop") return keeper.forget((call.argument as HostArgument<"stop">).array);
  if (call.method !== "mappedRemove") return false;
  return keeper.forgetMapped((call.argument as HostArgument<"mappedRemove">).device);
}
