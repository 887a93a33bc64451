/** mdadm --grow, as far as it needs no reshape: bitmap, size, mirrors, a longer linear array, the consistency policy. */
import { HoldfastError } from "../../base/errors.ts";
import type { ArrayHost, GrowCall } from "../../host/array-host.ts";
import { levelText } from "../../formats/md/layout-names.ts";
import type { ArrayView } from "../../md/view/array-view.ts";
import type { GrowCommand } from "../command.ts";
import { arrayKey } from "./array-name.ts";
import { newBitmap } from "./create.ts";
import type { Session } from "./session.ts";

const LINEAR = -1;
const MIRROR = 1;

function refuseUnsupported({ reshapeOptions, assumeClean, bitmap, size }: GrowCommand): void {
  const [option] = reshapeOptions;
  const no = (text: string): never => {
    throw new HoldfastError("unsupported", text);
  };
  if (option !== undefined)
    no(`${option} asks for a reshape, which is not done here: nothing was changed`);
  if (assumeClean && size === null)
    no("--assume-clean goes with --size: it is what the members get more of that is not resynced");
  if (bitmap !== null && bitmap.kind !== "internal" && bitmap.kind !== "none")
    no(
      `a ${bitmap.kind === "file" ? "bitmap in a file" : `${bitmap.kind} bitmap`} cannot be added`,
    );
}

/** One command changes one thing; each step says what it did. */
class Growth {
  readonly #session: Session;
  readonly #command: GrowCommand;
  readonly #host: ArrayHost;
  readonly #view: ArrayView;
  isChanged = false;

  constructor(session: Session, command: GrowCommand, host: ArrayHost, view: ArrayView) {
    this.#session = session;
    this.#command = command;
    this.#host = host;
    this.#view = view;
  }

  async #grow(call: GrowCall): Promise<ArrayView> {
    const view = await this.#host.grow(call);
    this.#session.result({ array: view });
    this.isChanged = true;
    return view;
  }

  async run(): Promise<number> {
    const steps = [
      () => this.#add(),
      () => this.#arraySize(),
      () => this.#bitmap(),
      () => this.#policy(),
      () => this.#size(),
      () => this.#raidDisks(),
    ];
    for (const step of steps) {
      const code = await step();
      if (code !== 0) return code;
    }
    if (!this.isChanged) this.#session.info("no changes to --grow");
    return 0;
  }

  async #add(): Promise<number> {
    const { add } = this.#command;
    const array = this.#view.kernelName;
    for (const { path, writeMostly, failFast } of add) {
      const device = this.#session.absolute(path);
      if (this.#view.level === LINEAR) await this.#grow({ kind: "add-linear", array, device });
      else {
        const call = { array, device, as: "spare", writeMostly, failFast, update: null } as const;
        await this.#host.add(call);
        this.isChanged = true;
        if (!this.#session.isQuiet) this.#session.warn(`added ${path}`);
      }
    }
    return 0;
  }

  async #arraySize(): Promise<number> {
    const { arraySize } = this.#command;
    if (arraySize === null) return 0;
    const kib = arraySize === "max" ? "default" : Math.floor(arraySize / 2);
    await this.#host.set({ array: this.#view.kernelName, action: { kind: "array-size", kib } });
    this.isChanged = true;
    return 0;
  }

  async #bitmap(): Promise<number> {
    const { bitmap, array } = this.#command;
    if (bitmap === null) return 0;
    const isThere = this.#view.bitmap !== null;
    if (bitmap.kind === "none" && !isThere)
      return this.#session.refuse(1, `no bitmap found on ${array}`);
    if (bitmap.kind !== "none" && isThere)
      return this.#session.refuse(1, `bitmap already present on ${array}`);
    await this.#grow({
      kind: "bitmap",
      array: this.#view.kernelName,
      bitmap: bitmap.kind === "none" ? null : newBitmap(this.#command),
    });
    return 0;
  }

  async #policy(): Promise<number> {
    const { consistencyPolicy: policy } = this.#command;
    if (policy === null) return 0;
    if (policy === "journal")
      throw new HoldfastError("unsupported", "a journal is added with --add-journal");
    await this.#grow({ kind: "consistency-policy", array: this.#view.kernelName, policy });
    return 0;
  }

  async #size(): Promise<number> {
    const { size, array, assumeClean } = this.#command;
    if (size === null) return 0;
    const { kernelName, componentKib } = this.#view;
    const view = await this.#grow({
      kind: "size",
      array: kernelName,
      componentSectors: size === "max" ? "max" : size,
      assumeClean,
    });
    this.#session.info(
      view.componentKib === componentKib
        ? `${array}: no change requested`
        : `component size of ${array} has been set to ${view.componentKib}K`,
    );
    return 0;
  }

  async #raidDisks(): Promise<number> {
    const { raidDevices, common, add } = this.#command;
    const { level, raidDisks, kernelName, members } = this.#view;
    if (raidDevices === null || (level === LINEAR && add.length > 0)) return 0;
    if (raidDevices === raidDisks) {
      this.#session.info(`${this.#command.array}: no change requested`);
      this.isChanged = true;
      return 0;
    }
    if (level !== MIRROR)
      throw new HoldfastError(
        "unsupported",
        `--raid-devices asks for a reshape of a ${levelText(level)}, which is not done here: nothing was changed`,
      );
    const spares = members.filter(({ slot, faulty }) => slot === null && !faulty).length;
    const wanted = raidDevices - raidDisks;
    if (wanted > spares + add.length && !common.force)
      return this.#session.refuse(
        1,
        `Need ${wanted} spare${wanted === 1 ? "" : "s"} to avoid degraded array, and only have ${spares + add.length}.`,
        "Use --force to over-ride this check.",
      );
    await this.#grow({ kind: "raid-disks", array: kernelName, raidDisks: raidDevices });
    return 0;
  }
}

export async function runGrow(session: Session, command: GrowCommand): Promise<number> {
  refuseUnsupported(command);
  const host = await session.host();
  let view: ArrayView;
  try {
    view = await host.array(arrayKey(command.array));
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError) || thrown.code !== "not-found") throw thrown;
    return session.refuse(1, `error opening ${command.array}: No such file or directory`);
  }
  return new Growth(session, command, host, view).run();
}
