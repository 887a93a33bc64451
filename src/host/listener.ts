/** How whoever serves arrays and mapped devices to clients hears of them. */
import type { BlockDevice } from "../block/device.ts";

/** An array, or a mapped device, as whoever serves it to clients sees it. */
export interface ServedArray {
  /** "md0", "dm-0". */
  readonly kernelName: string;
  readonly path: string;
  /** The same device until it is gone, whatever is changed about the array. */
  readonly volume: BlockDevice;
}

export interface ArrayListener {
  /** It runs: clients may be let at it. */
  appeared(array: ServedArray): void;
  /** It is about to be stopped: nobody else is let at it; resolves when no client uses it any more. */
  leaving(array: ServedArray): Promise<void>;
  /** Nobody else is let at it; who has it open keeps it. `leaving` comes when they have gone. */
  closing?(array: ServedArray): void;
  /** It has another path from now on; who has it open keeps it. */
  renamed?(array: ServedArray): void;
}
