/** LocalArrayHost: the arrays that run in this process. What each call does is in the files beside this one; here is who may do what, and when. */
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { summaryOf } from "../md/create/summary.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { SysfsAction } from "../md/view/sysfs-write.ts";
import { SyncScheduler } from "../sync/scheduler.ts";
import type { SpeedLimits } from "../sync/throttle.ts";
import type {
  AddCall,
  AddOutcome,
  ArrayHost,
  AssembleCall,
  AssembleOutcome,
  AssemblyMode,
  BuildCall,
  CreateCall,
  CreateOutcome,
  EventsCall,
  GrowCall,
  HostEvent,
  IncludeCall,
  IncludeOutcome,
  MemberCall,
  MismatchReport,
  ReplaceCall,
} from "./array-host.ts";
import { ArrayList } from "./array-list.ts";
import { buildArray } from "./build.ts";
import { growthIn, setAttribute, setMemberAttribute } from "./attributes.ts";
import type { HostContext } from "./context.ts";
import { createArray } from "./create-array.ts";
import type { MemberOpener } from "./device-registry.ts";
import { growArray } from "./grow.ts";
import type { HostedArray } from "./hosted-array.ts";
import { includeDevice } from "./include.ts";
import type { ArrayListener } from "./listener.ts";
import { addDevice, failMember, findMember, removeMember, replaceMember } from "./manage.ts";
import { mappedBeside } from "./mapped/beside-arrays.ts";
import type { LocalMappedHost } from "./mapped/local-mapped-host.ts";
import { assembleArray, runInactive } from "./start.ts";
import { stopArray } from "./stop.ts";
import { viewOf } from "./view.ts";
import { zeroSuperblocks } from "./zero.ts";

export interface LocalHostOptions {
  readonly parity: () => ParityEngine;
  readonly openDevice: MemberOpener;
  /** So long a member may take to answer before it is given up, ms; null: for ever. 30 s unless given. */
  readonly memberTimeoutMs?: number | null;
  /** /proc/sys/dev/raid/speed_limit_min and _max: may change at any time. */
  readonly systemLimits: SpeedLimits;
}

/** As Linux gives a SCSI disk. */
const MEMBER_TIMEOUT_MS = 30_000;

function timeoutOf({ memberTimeoutMs }: LocalHostOptions): number | null {
  return memberTimeoutMs === undefined ? MEMBER_TIMEOUT_MS : memberTimeoutMs;
}

export class LocalArrayHost implements ArrayHost {
  /** On the same devices. Arrays may stand on them, and they on arrays. */
  readonly mapped: LocalMappedHost;
  readonly #context: HostContext;
  readonly #list: ArrayList;

  constructor(env: Env, options: LocalHostOptions) {
    const list = new ArrayList(env);
    const { parity, openDevice, systemLimits } = options;
    const scheduler = new SyncScheduler();
    const beside = mappedBeside(list, {
      env,
      parity,
      scheduler,
      openDevice,
      timeoutMs: timeoutOf(options),
    });
    this.mapped = beside.mapped;
    this.#list = list;
    const { registry } = beside;
    const changed = (): void => list.changed();
    this.#context = { env, parity, registry, scheduler, systemLimits, changed };
  }

  /** Those that run already appear at once. Returns what ends it. */
  listen(listener: ArrayListener): () => void {
    const ends = [this.#list.listen(listener), this.mapped.listen(listener)];
    return () => {
      for (const end of ends) end();
    };
  }

  /** A client has it open: it is not stopped meanwhile, except by force. @returns what ends it */
  use(name: string): () => void {
    return this.mapped.use(name) ?? this.#list.find(name).use();
  }

  arrays(): Promise<readonly ArrayView[]> {
    // One that lets its devices go is listed until it has.
    const there = this.#list.arrays.filter(({ state }) => state.kind !== "gone");
    return Promise.resolve(there.map(viewOf));
  }

  async array(array: string): Promise<ArrayView> {
    return viewOf(this.#list.find(array));
  }

  async create(call: CreateCall): Promise<CreateOutcome> {
    const made = await createArray(this.#context, this.#list, call);
    const array = made.hosted === null ? null : this.#shown(made.hosted);
    return { plan: summaryOf(made.plan), array };
  }

  async build(call: BuildCall): Promise<ArrayView> {
    return this.#shown(await buildArray(this.#context, this.#list, call));
  }

  async assemble(call: AssembleCall): Promise<AssembleOutcome> {
    const outcome = await assembleArray(this.#context, this.#list, call);
    this.#list.changed();
    return outcome;
  }

  async include(call: IncludeCall): Promise<IncludeOutcome> {
    const outcome = await includeDevice(this.#context, this.#list, call);
    this.#list.changed();
    return outcome;
  }

  run(array: string): Promise<AssembleOutcome> {
    return this.#run(array, "read-write");
  }

  #run(array: string, mode: AssemblyMode): Promise<AssembleOutcome> {
    return this.#with(array, (hosted) => runInactive(this.#context, this.#list, hosted, mode));
  }

  stop({
    array,
    force,
  }: {
    readonly array: string;
    readonly force: boolean;
  }): Promise<ArrayView | null> {
    return this.#with(array, (hosted) => stopArray(this.#list, hosted, force));
  }

  async set({
    array,
    action,
  }: {
    readonly array: string;
    readonly action: SysfsAction;
  }): Promise<void> {
    if (action.kind === "array-state") return this.#setState(array, action.state);
    await this.#with(array, async (hosted) => {
      if (action.kind === "member") {
        const { folder } = action;
        const member = await this.#memberIn(hosted, folder);
        return setMemberAttribute(hosted, member, action.action);
      }
      const growth = growthIn(action, array);
      if (growth !== null) return growArray(this.#context, hosted, growth);
      return setAttribute(hosted, action);
    });
  }

  #memberIn(hosted: HostedArray, folder: string): ReturnType<typeof findMember> {
    const slot = /^rd(\d+)$/.exec(folder)?.[1];
    const standing =
      slot === undefined ? null : hosted.managed.array.members.at(Number(slot)).member;
    if (standing !== null) return Promise.resolve(standing);
    // The kernel writes "!" where a name has a slash.
    return findMember(this.#context, hosted, folder.replace(/^dev-/, "").replaceAll("!", "/"));
  }

  async #setState(
    array: string,
    state: Extract<SysfsAction, { kind: "array-state" }>["state"],
  ): Promise<void> {
    if (state === "clear" || state === "inactive") {
      await this.stop({ array, force: false });
      return;
    }
    const hosted = this.#list.find(array);
    if (hosted.state.kind === "inactive") {
      const mode =
        state === "readonly" ? "read-only" : state === "read-auto" ? "read-auto" : "read-write";
      await this.#run(array, mode);
      return;
    }
    await this.#with(array, async (one) => {
      const isClosing = state === "readonly" && one.managed.array.mode !== "read-only";
      if (isClosing && one.users > 0)
        throw new HoldfastError(
          "busy",
          `${one.names.path} is in use, and can be made read-only when it is not`,
        );
      await one.managed.setState(state);
    });
  }

  async add(call: AddCall): Promise<AddOutcome> {
    return this.#with(call.array, async (hosted) => {
      const kind = await addDevice(this.#context, hosted, call.device, call);
      return { kind, array: viewOf(hosted) };
    });
  }

  async remove(call: MemberCall): Promise<void> {
    await this.#withMember(call, removeMember);
  }

  async fail(call: MemberCall): Promise<void> {
    await this.#withMember(call, failMember);
  }

  async replace(call: ReplaceCall): Promise<void> {
    await this.#withMember(call, async (hosted, member) => {
      const spare = call.with === null ? null : await findMember(this.#context, hosted, call.with);
      await replaceMember(hosted, member, spare);
    });
  }

  grow(call: GrowCall): Promise<ArrayView> {
    return this.#with(call.array, async (hosted) => {
      await growArray(this.#context, hosted, call);
      return viewOf(hosted);
    });
  }

  async mismatches(array: string): Promise<MismatchReport> {
    const { managed } = this.#list.find(array);
    const found = managed.array.level.mismatches;
    return {
      total: managed.sync.mismatches,
      listed: found?.listed ?? [],
      unlisted: found?.unlistedSectors ?? 0,
    };
  }

  async wait(array: string): Promise<boolean> {
    const { managed } = this.#list.find(array);
    if (managed.sync.isAtRest) return false;
    await managed.sync.whenAtRest();
    return true;
  }

  events(call: EventsCall): Promise<readonly HostEvent[]> {
    return this.#list.events.after(call);
  }

  zeroSuperblock({
    device,
  }: {
    readonly device: string;
    readonly force: boolean;
  }): Promise<boolean> {
    return zeroSuperblocks(this.#context, device);
  }

  /**
   * Stops all of them in order, what stands on others first, then the latest first; who waits for events is told that there are no more.
   */
  async close(): Promise<readonly ArrayView[]> {
    const ended: ArrayView[] = [];
    await this.mapped.letGo();
    await this.mapped.closeIdle();
    for (let next = this.#list.uppermost; next !== null; next = this.#list.uppermost) {
      const last = await this.stop({ array: next.names.kernelName, force: true });
      if (last !== null) ended.push(last);
      await this.mapped.closeIdle();
    }
    this.#list.events.close();
    return ended;
  }

  /** One thing after the other, and whoever looks is told. */
  async #with<T>(array: string, work: (hosted: HostedArray) => Promise<T>): Promise<T> {
    const hosted = this.#list.find(array);
    try {
      return await hosted.exclusively(() => work(hosted));
    } finally {
      this.#list.changed();
    }
  }

  #withMember(
    call: MemberCall,
    work: (hosted: HostedArray, member: Awaited<ReturnType<typeof findMember>>) => Promise<void>,
  ): Promise<void> {
    return this.#with(call.array, async (hosted) => {
      await work(hosted, await findMember(this.#context, hosted, call.device));
    });
  }

  #shown(hosted: HostedArray): ArrayView {
    this.#list.changed();
    return viewOf(hosted);
  }
}
