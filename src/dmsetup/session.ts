/**
 * One dmsetup command line being carried out: what it says and where, and the host of the mapped devices.
 *
 * Results go to standard output, what went wrong to standard error, in dmsetup's words; behind "... ioctl on NAME failed: REASON" stands a line that
 * says why, which dmsetup leaves to the kernel's log. With --json standard output has one document instead, at the end.
 */
import { posix } from "node:path";
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { MappedHost, MappedView } from "../host/mapped/mapped-host.ts";
import { mangled } from "./names.ts";
import type { DmsetupOptions } from "./options.ts";
import type { DmsetupTools } from "./tools.ts";

/** A device as the command line names it. */
export interface DeviceRef {
  readonly name: string;
  readonly uuid: string;
  readonly number: { readonly major: number; readonly minor: number } | null;
}

export class Session {
  readonly tools: DmsetupTools;
  readonly options: Readonly<DmsetupOptions>;
  readonly isJson: boolean;
  readonly messages: string[] = [];
  readonly results: object[] = [];
  #written: Promise<void> = Promise.resolve();
  #host: Promise<MappedHost> | null = null;

  constructor(tools: DmsetupTools, options: Readonly<DmsetupOptions>, isJson: boolean) {
    this.tools = tools;
    this.options = options;
    this.isJson = isJson;
  }

  /** A line of a result. */
  print(line: string): void {
    if (!this.isJson) this.#write("stdout", `${line}\n`);
  }

  /** A result for --json. */
  result(value: object): void {
    this.results.push(value);
  }

  warn(text: string): void {
    this.messages.push(text);
    this.#write("stderr", `${text}\n`);
  }

  /** Lines for standard error that are no message. */
  note(text: string): void {
    this.#write("stderr", `${text}\n`);
  }

  #write(stream: "stdout" | "stderr", text: string): void {
    this.#written = this.#written.then(() => this.tools[stream](text));
    // Whoever flushes hears of it.
    this.#written.catch(() => {});
  }

  /** Everything said so far has left. */
  flush(): Promise<void> {
    return this.#written;
  }

  async document(exitCode: number): Promise<void> {
    const { messages, results } = this;
    await this.tools.stdout(`${JSON.stringify({ exitCode, messages, results }, null, 2)}\n`);
  }

  host(): Promise<MappedHost> {
    this.#host ??= this.tools.host();
    return this.#host;
  }

  absolute(path: string): string {
    return posix.resolve(this.tools.folder, path);
  }

  /** Null: there is none. */
  async find(ref: DeviceRef): Promise<MappedView | null> {
    const host = await this.host();
    if (ref.name !== "") {
      try {
        return await host.mappedDevice(ref.name);
      } catch (thrown) {
        if (thrown instanceof HoldfastError && thrown.code === "not-found") return null;
        throw thrown;
      }
    }
    const all = await host.mappedDevices();
    return all.find((view) => isMeant(view, ref)) ?? null;
  }

  /** @param ioctl its name, for the message. @throws HoldfastError as dmsetup says it */
  async need(ioctl: string, ref: DeviceRef): Promise<MappedView> {
    const found = await this.find(ref);
    if (found === null) throw noDevice(ioctl, ref);
    return found;
  }

  /** Of all devices, sorted as the kernel sorts them. */
  async all(): Promise<readonly MappedView[]> {
    const views = await (await this.host()).mappedDevices();
    const keyed = views.map((view) => ({ view, key: mangled(view.name) }));
    return keyed.toSorted((one, other) => (one.key < other.key ? -1 : 1)).map(({ view }) => view);
  }

  /** What the host refuses, as dmsetup says it and why. */
  async ioctl<T>(
    ioctl: string,
    ref: DeviceRef,
    work: (host: MappedHost) => Promise<T>,
  ): Promise<T> {
    const host = await this.host();
    try {
      return await work(host);
    } catch (thrown) {
      throw ioctlError(ioctl, ref, toHoldfastError(thrown));
    }
  }
}

function isMeant(view: MappedView, { uuid, number }: DeviceRef): boolean {
  if (number !== null) return view.major === number.major && view.minor === number.minor;
  return uuid !== "" && view.uuid === uuid;
}

export function named(name: string): DeviceRef {
  return { name, uuid: "", number: null };
}

/** As messages name it: name, uuid, and the numbers in brackets, as far as they were given. */
function refText({ name, uuid, number }: DeviceRef): string {
  const numbers = number === null ? "" : `(${number.major}:${number.minor})`;
  return `${mangled(name)} ${mangled(uuid)}${numbers}`;
}

/** What errno the kernel would give. */
const REASONS: Readonly<Partial<Record<ErrorCode, string>>> = {
  "not-found": "No such device",
  permission: "Permission denied",
  "read-only": "Permission denied",
  io: "Input/output error",
  "data-lost": "Input/output error",
  "no-space": "No space left on device",
  busy: "Device or resource busy",
  timeout: "Connection timed out",
  shutdown: "No such device or address",
};

export function noDevice(ioctl: string, ref: DeviceRef): HoldfastError {
  return new HoldfastError(
    "not-found",
    `device-mapper: ${ioctl} ioctl on ${refText(ref)} failed: No such device or address`,
  );
}

function ioctlError(ioctl: string, ref: DeviceRef, error: HoldfastError): HoldfastError {
  const reason = REASONS[error.code] ?? "Invalid argument";
  return new HoldfastError(
    error.code,
    `device-mapper: ${ioctl} ioctl on ${refText(ref)} failed: ${reason}\n${error.message}`,
    { cause: error },
  );
}
