/** The devices of a running array, and who stands where. */
import { assert } from "../../base/assert.ts";
import type { Member } from "./member.ts";

export interface SlotHolders {
  readonly member: Member | null;
  /** Being filled, or full and about to take over. */
  readonly replacement: Member | null;
}

export class Members {
  readonly slots: number;
  #attached: readonly Member[];

  constructor(slots: number, attached: readonly Member[]) {
    this.slots = slots;
    this.#attached = attached;
  }

  /** All of them, faulty ones included, in the order in which they came. */
  get attached(): readonly Member[] {
    return this.#attached;
  }

  attach(member: Member): void {
    assert(this.withNumber(member.number) === null, "device numbers are used once");
    this.#attached = [...this.#attached, member];
  }

  /** @param member not in a slot */
  detach(member: Member): void {
    assert(member.slot === null, "who leaves stands in no slot");
    this.#attached = this.#attached.filter((one) => one !== member);
  }

  withNumber(number: number): Member | null {
    return this.#attached.find((one) => one.number === number) ?? null;
  }

  at(slot: number): SlotHolders {
    const here = this.#attached.filter((one) => one.slot === slot);
    return {
      member: here.find((one) => !one.isReplacement) ?? null,
      replacement: here.find((one) => one.isReplacement) ?? null,
    };
  }

  /** By slot: somebody is in sync there. */
  get inSyncSlots(): boolean[] {
    return Array.from({ length: this.slots }, (_unused, slot) => {
      const { member, replacement } = this.at(slot);
      return member?.isInSync === true || replacement?.isInSync === true;
    });
  }

  /** Slots whose data is not whole: nobody is in sync there. */
  get degraded(): number {
    return this.inSyncSlots.filter((there) => !there).length;
  }

  get journal(): Member | null {
    return this.#attached.find(({ standing }) => standing.kind === "journal") ?? null;
  }
}
