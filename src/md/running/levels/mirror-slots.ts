/**
 * Who stands in the slots of a running mirror, and how to read there: kept up with the members, which fail, join and
 * take over while it runs.
 */
import { Slot, MemberView } from "../../slot.ts";
import type { ReadFailed } from "../../slot.ts";
import type { Member } from "../member.ts";
import type { Members } from "../members.ts";
import type { BehindWrites } from "./mirror-behind.ts";

/** Told of every read of a member that failed, in member sectors. */
export type MemberReadFailed = (member: Member, ...what: Parameters<ReadFailed>) => void;

export class MirrorSlots {
  readonly slots: readonly Slot[];
  readonly #members: Members;
  readonly #behind: BehindWrites;
  readonly #readFailed: MemberReadFailed;
  #attached: readonly Member[] | null = null;
  /** By place in `attached`: where each stood when it was last looked at. */
  readonly #keys: number[] = [];
  readonly #holders: Member[][];
  readonly #views = new WeakMap<Member, MemberView>();

  constructor(members: Members, behind: BehindWrites, readFailed: MemberReadFailed) {
    this.#members = members;
    this.#behind = behind;
    this.#readFailed = readFailed;
    this.slots = Array.from({ length: members.slots }, (_unused, i) => new Slot(i, [], false));
    this.#holders = this.slots.map(() => []);
  }

  /** To be called before each request. Allocates nothing while nothing changes. */
  refresh(): void {
    const { attached } = this.#members;
    let isSame = attached === this.#attached;
    for (let i = 0; i < attached.length; i += 1) {
      const key = keyOf(attached[i]!);
      if (this.#keys[i] === key) continue;
      this.#keys[i] = key;
      isSame = false;
    }
    if (isSame) return;
    this.#attached = attached;
    for (const slot of this.slots) this.#fill(slot);
  }

  #fill(slot: Slot): void {
    const { member, replacement } = this.#members.at(slot.number);
    const holders = [member, replacement].filter((one) => one !== null);
    this.#holders[slot.number] = holders;
    slot.hold(
      holders.map((one) => this.#viewOf(one)),
      holders.length > 0 && holders.every((one) => one.writeMostly),
    );
  }

  /** As of the last refresh: the member, then its replacement. */
  at(slot: number): readonly Member[] {
    return this.#holders[slot]!;
  }

  /** Somebody stands in every slot. */
  get isFull(): boolean {
    this.refresh();
    return this.#holders.every((holders) => holders.length > 0);
  }

  get inSync(): number {
    let count = 0;
    for (const holders of this.#holders) for (const one of holders) if (one.isInSync) count += 1;
    return count;
  }

  #viewOf(member: Member): MemberView {
    const known = this.#views.get(member);
    if (known !== undefined) return known;
    const viewed = {
      label: member.label,
      device: this.#behind.gateOf(member),
      dataOffset: member.dataOffset,
      badBlocks: member.badBlocks,
      get goodEnd(): number {
        return member.goodEnd;
      },
    };
    const view = new MemberView(viewed, (...what) => this.#readFailed(member, ...what));
    this.#views.set(member, view);
    return view;
  }
}

function keyOf(member: Member): number {
  const { slot } = member;
  if (slot === null) return -1;
  return slot * 4 + (member.isReplacement ? 2 : 0) + (member.writeMostly ? 1 : 0);
}
