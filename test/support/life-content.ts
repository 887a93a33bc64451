/** What a volume of a simulated life may hold. Its sectors are stamped as those of sector-oracle.ts. */

import { versionIn } from "./sector-oracle.ts";

/** What may be read of one sector: its newest durable version, or anything written since. */
export interface Known {
  durable: number;
  acknowledged: number;
  newest: number;
}

/** What clients were promised of a volume. */
export class Content {
  readonly known: Known[] = [];
  version = 0;
  /** Being written, or never answered. */
  readonly busy = new Set<number>();
  /** Written since the last flush: where parity is short of a member, other blocks of their rows may be lost with them. */
  readonly risky = new Set<number>();
  /** Lost that way. */
  readonly holed = new Set<number>();

  grow(sectors: number): void {
    while (this.known.length < sectors) this.known.push({ durable: 0, acknowledged: 0, newest: 0 });
  }

  begin(range: readonly number[]): number {
    this.version += 1;
    for (const sector of range) {
      this.busy.add(sector);
      this.risky.add(sector);
      this.known[sector]!.newest = this.version;
    }
    return this.version;
  }

  acknowledge(range: readonly number[], version: number, isDurable: boolean): void {
    for (const sector of range) {
      const known = this.known[sector]!;
      this.busy.delete(sector);
      known.acknowledged = version;
      if (isDurable) this.#keep(sector, version);
    }
  }

  /** A flush begins; call what is returned when it has succeeded. */
  flush(): () => void {
    const before = this.known.map(({ acknowledged }) => acknowledged);
    const quiet = [...this.risky].filter((sector) => !this.busy.has(sector));
    const versions = new Map(quiet.map((sector) => [sector, this.known[sector]!.newest]));
    return () => {
      for (const [sector, known] of this.known.entries())
        if (before[sector]! > known.durable) this.#keep(sector, before[sector]!);
      for (const [sector, version] of versions)
        if (this.known[sector]!.newest === version) this.risky.delete(sector);
    };
  }

  /** What is lost may come back until then: a cut can take the write again. */
  #keep(sector: number, version: number): void {
    this.known[sector]!.durable = version;
    this.holed.delete(sector);
  }

  /** The power fails. */
  cut(): void {
    this.busy.clear();
    for (const known of this.known) known.acknowledged = known.durable;
  }

  /** What is wrong with what was read. @param least by sector of `data`: the oldest version that is right */
  problems(at: number, data: Uint8Array, least: readonly number[]): string[] {
    const wrong: string[] = [];
    for (let i = 0; i * 512 < data.length; i += 1) {
      const sector = at + i;
      const found = versionIn(data.subarray(i * 512, (i + 1) * 512), sector);
      const { newest } = this.known[sector]!;
      const isAllowed = found !== null && found >= least[i]! && found <= newest;
      if (!isAllowed && !this.holed.has(sector))
        wrong.push(`sector ${sector} has ${found}, not ${least[i]} to ${newest}`);
    }
    return wrong;
  }
}
