/** Devices of a running array come and go. Who takes which place is up to background sync (sync-slots.ts). */
import { errorIn, HoldfastError } from "../../base/errors.ts";
import type { RunningLevel } from "./core.ts";
import type { Eras } from "./eras.ts";
import type { Member } from "./member.ts";
import type { Members } from "./members.ts";
import type { Metadata } from "./metadata.ts";
import type { Modes } from "./modes.ts";

export interface MembershipOptions {
  readonly name: string;
  readonly members: Members;
  readonly level: RunningLevel;
  readonly metadata: Metadata;
  readonly modes: Modes;
  readonly eras: Eras;
}

export class Membership {
  readonly #options: MembershipOptions;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** As RunningArray.attach. */
  async attach(member: Member): Promise<void> {
    const { level, members, metadata, modes, name } = this.#options;
    modes.assertRunning();
    if (member.standing.kind === "journal") this.#assertTakesJournal();
    if (level.join !== undefined) {
      const error = await new Promise<HoldfastError | null>((resolve) =>
        level.join!(member, resolve),
      );
      if (error !== null) throw errorIn(name, error);
      modes.assertRunning();
    }
    if (members.withNumber(member.number) !== null) {
      throw new HoldfastError("busy", `${name} has a device ${member.number} already`);
    }
    members.attach(member);
    const problem = metadata.problem();
    if (problem !== null) {
      members.detach(member);
      throw new HoldfastError("no-space", `${member.label} cannot join ${name}: ${problem}`);
    }
    await this.#changed(member.standing.kind === "journal");
  }

  /** As kernels: a journal joins an array that has lost the one that it had, while nothing is written. Its log begins with the next write. It is the one change that superblocks tell of while the array stays read-only: they could not otherwise be true when whoever adds it is answered. */
  #assertTakesJournal(): void {
    const { level, modes, name } = this.#options;
    const misses = (level.whyReadOnly?.() ?? null) !== null;
    if (misses && modes.mode === "read-only") {
      modes.assertMembersWritable();
      return;
    }
    const text = misses
      ? `${name} must be read-only for a journal to be added`
      : `${name} has no place for a journal: it has one, or was made without`;
    throw new HoldfastError("busy", text);
  }

  /** As RunningArray.detach. */
  async detach(member: Member): Promise<void> {
    const { eras, members, modes, name } = this.#options;
    const isJournal = member.standing.kind === "journal" && modes.mode !== "read-only";
    if (member.slot !== null || isJournal) {
      throw new HoldfastError("busy", `${member.label} is in use by ${name}`);
    }
    members.detach(member);
    await this.#changed();
    await eras.drain();
  }

  /** Resolves when the superblocks say so. */
  #changed(isJournal = false): Promise<void> {
    const { modes } = this.#options;
    modes.refreshLimits();
    return new Promise((durable) => {
      if (isJournal) modes.commitAsked("members", durable);
      else modes.commit("members", durable);
    });
  }
}
