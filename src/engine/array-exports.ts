/** Running arrays and mapped devices as exports of one NBD server: those that were there before it, and those that come and go later. */
import type { ArrayListener, ServedArray } from "../host/listener.ts";
import type { NbdExport } from "../nbd/exports.ts";
import type { NbdServer } from "../nbd/server.ts";
import type { ArrayExport } from "./engine.ts";

export class ArrayExports implements ArrayListener {
  readonly #use: (array: string) => () => void;
  readonly #exports = new Map<string, NbdExport>();
  #server: NbdServer | null = null;

  /** @param use a client has the array open, until the function it returns is called */
  constructor(use: (array: string) => () => void) {
    this.#use = use;
  }

  serveBy(server: NbdServer): void {
    this.#server = server;
    for (const exported of this.#exports.values()) server.addExport(exported);
  }

  appeared(array: ServedArray): void {
    const exported = this.#exportOf(array);
    this.#server?.addExport(exported);
    this.#exports.set(array.kernelName, exported);
  }

  #exportOf({ kernelName, path, volume }: ServedArray): NbdExport {
    return {
      name: this.#freeName(path, kernelName),
      description: path,
      device: volume,
      opened: () => this.#use(kernelName),
    };
  }

  renamed(array: ServedArray): void {
    const before = this.#exports.get(array.kernelName);
    if (before === undefined) return;
    this.#exports.delete(array.kernelName);
    const exported = this.#exportOf(array);
    this.#exports.set(array.kernelName, exported);
    this.#server?.renameExport(before.name, exported);
  }

  closing({ kernelName }: ServedArray): void {
    const exported = this.#exports.get(kernelName);
    if (exported !== undefined) this.#server?.hideExport(exported.name);
  }

  async leaving({ kernelName }: ServedArray): Promise<void> {
    const exported = this.#exports.get(kernelName);
    this.#exports.delete(kernelName);
    if (exported !== undefined) await this.#server?.removeExport(exported.name);
  }

  /** "/dev/md/data" is "data"; kernel names never clash. */
  #freeName(path: string, kernelName: string): string {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const isTaken = [...this.#exports.values()].some((one) => one.name === name);
    return isTaken ? kernelName : name;
  }

  list(): ArrayExport[] {
    return [...this.#exports].map(([kernelName, { name }]) => ({
      array: kernelName,
      name,
      clients: this.#server?.clientsOf(name) ?? 0,
      uris: this.#server?.uris(name) ?? [],
    }));
  }
}
