/** Who serves the volumes of running arrays, as the host of the arrays sees it. */
import type { BlockDevice } from "../block/device.ts";
import type { ArrayHost } from "./array-host.ts";

export interface ServedVolume {
  /** Of the volume: "md0", "data". */
  readonly name: string;
  /** For people: "raid5 of 3 disks". */
  readonly description: string;
  /** The same for as long as the array runs. The host closes it, after `gone`. */
  readonly device: BlockDevice;
}

export interface VolumeServer {
  /** An array runs: clients may have its volume from now on. @throws HoldfastError `usage` for a name that is taken */
  appeared(volume: ServedVolume): void;
  /** Clients that have it open now. */
  clientsOf(name: string): number;
  /** Takes it away from its clients once they have the answers under way; nobody uses the device any more when it resolves. */
  gone(name: string): Promise<void>;
}

/** An ArrayHost that somebody owns. */
export interface OwnedArrayHost extends ArrayHost {
  /** Stops all arrays in order, whoever has them open; who waits for events or for background work is answered. */
  close(): Promise<void>;
}
