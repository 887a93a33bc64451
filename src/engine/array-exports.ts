/** Running arrays as exports of one NBD server: those that were there before it, and those that come and go later. */
import type { ServedVolume, VolumeServer } from "../host/volume-server.ts";
import type { NbdServer } from "../nbd/server.ts";
import type { ServedArray } from "./engine.ts";

export class ArrayExports implements VolumeServer {
  readonly #volumes = new Map<string, ServedVolume>();
  #server: NbdServer | null = null;

  serveBy(server: NbdServer): void {
    this.#server = server;
    for (const volume of this.#volumes.values()) server.addExport(volume);
  }

  appeared(volume: ServedVolume): void {
    this.#server?.addExport(volume);
    this.#volumes.set(volume.name, volume);
  }

  clientsOf(name: string): number {
    return this.#server?.clientsOf(name) ?? 0;
  }

  async gone(name: string): Promise<void> {
    this.#volumes.delete(name);
    await this.#server?.removeExport(name);
  }

  served(): ServedArray[] {
    return [...this.#volumes.keys()].map((name) => ({
      name,
      clients: this.clientsOf(name),
      uris: this.#server?.uris(name) ?? [],
    }));
  }
}
