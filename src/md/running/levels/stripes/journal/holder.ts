/** Whom an array's journal is on, and whether it can be written: from the start of writing until that device fails. */
import { unreachable } from "../../../../../base/assert.ts";
import { HoldfastError } from "../../../../../base/errors.ts";
import type { R5Log } from "../../../../../formats/md/r5-log.ts";
import type { StripeGeometry } from "../../../../geometry/raid456.ts";
import type { ArrayCore } from "../../../core.ts";
import type { Member } from "../../../member.ts";
import { freshLog, replayOnto, writeOut } from "./start.ts";
import type { BegunLog, LeftBehind } from "./start.ts";

type State =
  | { readonly kind: "closed"; readonly why: HoldfastError }
  | { readonly kind: "open"; readonly member: Member; readonly log: R5Log };

export type OpenedJournal =
  | { readonly member: Member; readonly log: R5Log; readonly why: null }
  | { readonly member: null; readonly log: null; readonly why: HoldfastError };

export class JournalHolder {
  readonly #core: ArrayCore;
  readonly #geometry: StripeGeometry;
  #left: LeftBehind | null;
  #state: State;

  /** @param left null: the journal is missing, or new */
  constructor(core: ArrayCore, geometry: StripeGeometry, left: LeftBehind | null) {
    this.#core = core;
    this.#geometry = geometry;
    this.#left = left;
    const text = `${core.name} cannot be written without its write journal; make it read-only and add one.`;
    this.#state = { kind: "closed", why: new HoldfastError("read-only", text) };
  }

  /** The journal that was there at assembly, or one that was added since. Null: there is none, and no write goes through. */
  async begin(): Promise<BegunLog | null> {
    const member = this.#core.members.journal;
    if (member === null) return null;
    try {
      const begun = await this.#beginOn(member);
      this.#left = null;
      this.#state = { kind: "open", member, log: begun.log };
      return begun;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#state = { kind: "closed", why: error };
      return null;
    }
  }

  async #beginOn(member: Member): Promise<BegunLog> {
    const left = this.#left;
    if (left !== null && left.journal === member.superblock)
      return replayOnto(this.#core, this.#geometry, member, left);
    // The journal that was found is gone; what it had for the members is in memory.
    if (left !== null) await writeOut(this.#core, left);
    return freshLog(this.#core, this.#geometry, member);
  }

  get opened(): OpenedJournal {
    const state = this.#state;
    switch (state.kind) {
      case "closed":
        return { member: null, log: null, why: state.why };
      case "open":
        if (state.member === this.#core.members.journal) return { ...state, why: null };
        return { member: null, log: null, why: this.close(state.member) };
      default:
        return unreachable(state);
    }
  }

  /** It failed. @returns what writes end with from now on */
  close({ label }: Member): HoldfastError {
    const text = `${this.#core.name} is written no more, because its write journal ${label} failed; make it read-only and add another journal.`;
    const why = new HoldfastError("io", text);
    this.#state = { kind: "closed", why };
    return why;
  }
}
