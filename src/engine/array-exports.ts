/** Running arrays as exports of one NBD server: those that were there before it, and those that come and go later. */
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

  appeared({ kernelName, path, volume }: ServedArray): void {
    const exported: NbdExport = {
      name: this.#freeName(path, kernelName),
      description: path,
      device: volume,
      opened: () => this.#use(kernelName),
    };
    this.#server?.addExport(exported);
    this.#exports.set(kernelName, exported);
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
