/** A device in the hands of somebody who does not own it: closing it does what the owner says. */
import type { Bio } from "./bio.ts";
import type { BlockDevice } from "./device.ts";
import { DeviceOver } from "./over.ts";

export class LentDevice extends DeviceOver {
  #close: (() => Promise<void>) | null;

  /** @param close called once */
  constructor(device: BlockDevice, close: () => Promise<void>) {
    super(device);
    this.#close = close;
  }

  override submit(bio: Bio): void {
    this.inner.submit(bio);
  }

  override async close(): Promise<void> {
    const close = this.#close;
    this.#close = null;
    await close?.();
  }
}
