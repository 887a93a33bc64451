/**
 * Atlas: keeps the damage of a run within what its array must survive, so that everything else is a bug: says which disk may fail now, and
 * what a power cut may take with it that nobody has promised to keep.
 */
import type { Machine } from "./machine.ts";
import type { Oracle } from "./oracle.ts";
import { bearableLosses, parityDisks } from "./shape.ts";

export class Atlas {
  readonly #machine: Machine;
  /** Has bad sectors, or had: counts as lost for whatever else is to be lost. Null: none. */
  sick: number | null = null;

  /** Sectors that were being written at a crash, and the newest version then: their parity may be wrong until it is synced, or made anew. */
  readonly #doubtful = new Map<number, number>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Disks that do not answer well. */
  get ailing(): number[] {
    const { disks, away } = this.#machine;
    return disks.flatMap(({ health }, index) =>
      health === "gone" || health === "hung" || away.has(index) ? [index] : [],
    );
  }

  /**
   * The array could do without this disk as well.
   * @param amidSync also where parity may be wrong; `takeDoubt` then says what that costs
   */
  mayLose(disk: number, amidSync = false): boolean {
    const { shape, managed, disks } = this.#machine;
    if (this.ailing.includes(disk) || disks[disk] === undefined) return false;
    // A journal that is lost is lost: what was written in it only is gone.
    if (shape.consistency === "journal" && disk === disks.length - 1) return false;
    const { members, record } = managed.array;
    const here = members.attached.find(({ label }) => label === disks[disk]!.name);
    // Nobody needs it yet.
    if (here !== undefined && !here.isInSync && !here.isFaulty) return true;
    // Parity that was never computed cannot stand in for anything.
    if (!amidSync && record.resyncOffsetSectors < Infinity && parityDisks(shape) > 0) return false;
    const isNews = (other: number): boolean =>
      members.attached.some(({ label, isFaulty }) => label === `disk${other}` && !isFaulty);
    const sick = this.sick !== null && this.sick !== disk && !this.ailing.includes(this.sick);
    // By force it was taken for clean: Q does not stand in for a member where it may disagree with P.
    const isDoubtful = this.#machine.wasForced && parityDisks(shape) === 2;
    const doubts = Number(sick) + Number(isDoubtful);
    const lost = members.degraded + this.ailing.filter(isNews).length + doubts;
    return lost < bearableLosses(shape);
  }

  /** Sectors of this disk may become bad. */
  maySicken(disk: number): boolean {
    const { shape, managed } = this.#machine;
    if (this.sick !== null && this.sick !== disk) return false;
    // What a partial parity log is put right with must be readable.
    if (managed.array.degraded > 0 || shape.consistency === "ppl") return false;
    return this.ailing.length === 0 && this.mayLose(disk);
  }

  /** True: at a cut now, blocks of stripes that are being written may be lost with a member that is missing. */
  get isShort(): boolean {
    const { managed } = this.#machine;
    return managed.array.degraded > 0 || this.ailing.length > 0 || this.sick !== null;
  }

  /** Tells the oracle what a cut now may take: rows that were being written; with a partial parity log only what was written itself. */
  takeRisk(oracle: Oracle): void {
    const { shape } = this.#machine;
    const parity = parityDisks(shape);
    if (parity === 0 || shape.consistency === "journal") return;
    this.#noteDoubt(oracle);
    if (!this.isShort) return;
    const isLogged = shape.consistency === "ppl";
    const rowSectors = shape.chunkSectors * (shape.disks - parity);
    for (const sector of oracle.unflushed) {
      const from = isLogged ? sector : Math.floor(sector / rowSectors) * rowSectors;
      const to = Math.min(oracle.sectors, from + (isLogged ? 1 : rowSectors));
      for (let at = from; at < to; at += 1) oracle.lose(at);
    }
  }

  #noteDoubt(oracle: Oracle): void {
    if (this.#machine.managed.array.record.resyncOffsetSectors === Infinity) this.#doubtful.clear();
    for (const sector of oracle.unflushed) this.#doubtful.set(sector, oracle.version);
  }

  /**
   * Tells the oracle what the loss of a member now may take, where a crash may have left parity wrong: the same sector of all blocks of a
   * stripe, unless one of them was written since, and parity made anew with it.
   */
  takeDoubt(oracle: Oracle): void {
    const { shape, managed } = this.#machine;
    if (managed.array.record.resyncOffsetSectors === Infinity) return;
    const blocks = shape.disks - parityDisks(shape);
    const rowSectors = shape.chunkSectors * blocks;
    for (const [sector, version] of this.#doubtful) {
      const first = sector - (sector % rowSectors) + (sector % shape.chunkSectors);
      const column = Array.from(
        { length: blocks },
        (_, block) => first + block * shape.chunkSectors,
      );
      const isRight =
        column.some((at) => oracle.isWrittenSince(version, at)) &&
        !column.some((at) => oracle.busy.has(at));
      if (!isRight) for (const at of column) oracle.lose(at);
    }
  }
}
