/** An ArrayHost in the hands of its owner, who serves its arrays and ends it. */
import type { ArrayHost } from "./array-host.ts";
import type { ArrayListener } from "./listener.ts";

export interface OwnedArrayHost extends ArrayHost {
  /** Those that run already appear at once. Returns what ends it. */
  listen(listener: ArrayListener): () => void;
  /** A client has it open: it is not stopped meanwhile, except by force. @returns what ends it */
  use(array: string): () => void;
  /** Stops all arrays in order, whoever has them open; who waits for events or for background work is answered. */
  close(): Promise<void>;
}
