/** A Host in the hands of its owner, who serves its arrays and mapped devices and ends it. */
import type { ArrayView } from "../md/view/array-view.ts";
import type { Host } from "./host-call.ts";
import type { ArrayListener } from "./listener.ts";

export interface OwnedHost extends Host {
  /** Those that run already appear at once. Returns what ends it. */
  listen(listener: ArrayListener): () => void;
  /** A client has it open: it is not stopped meanwhile, except by force. @param name "md0", "dm-0". @returns what ends it */
  use(name: string): () => void;
  /** What is held back goes on: it is to be closed soon, and whoever waits for clients would wait for them. */
  letGo(): Promise<void>;
  /**
   * Stops all of them in order, whoever has them open; who waits for events or for background work is answered.
   * @returns the arrays that ran, as they were when nothing was written to them any more
   */
  close(): Promise<readonly ArrayView[]>;
}
