/** The mapped devices of the state file: those that are there, and those that could not be made again ("dormant"), until they are removed by name. */
import { toHoldfastError } from "../base/errors.ts";
import type { MappedHost, MappedView } from "../host/mapped/mapped-host.ts";
import type { ListedMapped } from "./state-file.ts";

interface Dormant {
  readonly listed: ListedMapped;
  /** A sentence. */
  readonly why: string;
}

export class MappedList {
  readonly #host: MappedHost;
  #dormant: readonly Dormant[] = [];

  constructor(host: MappedHost) {
    this.#host = host;
  }

  get problems(): readonly string[] {
    return this.#dormant.map(({ why }) => why);
  }

  /** Makes one again, with its live table. What it lies on is read anew. @returns null, or why it is not there */
  async start(listed: ListedMapped): Promise<string | null> {
    const { name, uuid, minor, table, readOnly } = listed;
    try {
      const text = table === null ? null : table.join("\n");
      await this.#host.mappedCreate({ name, uuid, minor, table: text, readOnly });
      return null;
    } catch (error) {
      const why = `/dev/mapper/${name} was not started: ${toHoldfastError(error).message}`;
      this.#dormant = [...this.#dormant, { listed, why }];
      return why;
    }
  }

  /** As things are now. */
  async listed(): Promise<readonly ListedMapped[]> {
    const views = await this.#host.mappedDevices();
    const names = new Set(views.map(({ name }) => name));
    this.#dormant = this.#dormant.filter(({ listed }) => !names.has(listed.name));
    // Whoever keeps one of those from going is gone after a restart.
    const staying = views.filter(({ isRemovalDeferred }) => !isRemovalDeferred);
    return [...staying.map(listedAs), ...this.#dormant.map(({ listed }) => listed)];
  }

  /** False: there is none of that name. */
  forget(device: string): boolean {
    const name = device.replace(/^\/dev\/mapper\//, "");
    const left = this.#dormant.filter(({ listed }) => listed.name !== name);
    const isKnown = left.length < this.#dormant.length;
    this.#dormant = left;
    return isKnown;
  }
}

/** An inactive table and a suspension end with the process, as the kernel's do. */
function listedAs({ name, uuid, minor, live, isReadOnly, dependencies }: MappedView): ListedMapped {
  return {
    name,
    uuid,
    minor,
    table: live === null ? null : [...live.lines],
    readOnly: isReadOnly,
    standsOn: live === null ? [] : dependencies.map(({ path }) => path),
  };
}
