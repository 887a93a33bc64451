/** What a running array tells of itself, to whoever listens. */
import type { HoldfastError } from "../../base/errors.ts";
import type { ArrayMode } from "./array-state.ts";
import type { Member } from "./member.ts";

export type ArrayEvent =
  | { readonly kind: "failed"; readonly member: Member; readonly why: HoldfastError }
  /** Sectors of it were listed as bad. */
  | { readonly kind: "bad-blocks"; readonly member: Member; readonly why: HoldfastError }
  | { readonly kind: "broken"; readonly why: HoldfastError }
  | { readonly kind: "mode"; readonly mode: ArrayMode };

export type TellEvent = (event: ArrayEvent) => void;

export class ArrayEvents {
  readonly #listeners = new Set<TellEvent>();

  /** Returns what ends it. */
  listen(listener: TellEvent): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  readonly tell: TellEvent = (event) => {
    for (const listener of this.#listeners) listener(event);
  };
}
