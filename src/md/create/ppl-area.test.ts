import { describe, expect, it } from "vitest";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { freePplArea, pplField } from "./ppl-area.ts";

/** As far as a place depends on it. */
function on(more: Partial<MdSuperblock>): MdSuperblock {
  const shape = { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 3 } as const;
  const usual = { version: "1.2", superSector: 8, dataOffsetSectors: 4096 } as const;
  return { ...usual, componentSectors: 8192, badBlockLog: null, shape, ...more } as MdSuperblock;
}

function log(startSector: number): MdSuperblock["badBlockLog"] {
  return { startSector, sectors: 8, shift: 0, inUse: false };
}

describe("room for a partial parity log", () => {
  it("between superblock and data: 1 MiB, clear of the list of bad blocks", () => {
    expect(freePplArea(on({}))).toEqual({ sector: 16, sectors: 2048 });
    expect(freePplArea(on({ badBlockLog: log(16) }))).toEqual({ sector: 24, sectors: 2048 });
    expect(freePplArea(on({ badBlockLog: log(2064) }))).toEqual({ sector: 16, sectors: 2048 });
  });

  it("a header and a chunk, or 128 KiB, where that is not there", () => {
    const short = on({ dataOffsetSectors: 2048 });
    expect(freePplArea(short)).toEqual({ sector: 16, sectors: 264 });
    const shape = { ...short.shape!, chunkSectors: 1024 };
    expect(freePplArea({ ...short, shape })).toEqual({ sector: 16, sectors: 1032 });
    expect(freePplArea(on({ dataOffsetSectors: 101 }))).toEqual({ sector: 16, sectors: 80 });
  });

  it("none below a header and a block, nor where 16 bits do not reach", () => {
    expect(freePplArea(on({ dataOffsetSectors: 32 }))).toEqual({ sector: 16, sectors: 16 });
    expect(freePplArea(on({ dataOffsetSectors: 31 }))).toBeNull();
    const far = on({ dataOffsetSectors: 80_000, badBlockLog: log(40_000) });
    expect(freePplArea(far)).toEqual({ sector: 16, sectors: 2048 });
    expect(freePplArea({ ...far, superSector: 39_984 })).toEqual({ sector: 40_008, sectors: 2048 });
    expect(
      freePplArea({ ...far, superSector: 0, badBlockLog: { ...log(8)!, sectors: 39_992 } }),
    ).toBeNull();
  });

  it("1.0: behind what is used of the data, right in front of what follows", () => {
    const end = on({ version: "1.0", superSector: 16_000, dataOffsetSectors: 0 });
    expect(freePplArea(end)).toEqual({ sector: 13_952, sectors: 2048 });
    const area = freePplArea({ ...end, badBlockLog: log(15_992) })!;
    expect(area).toEqual({ sector: 13_944, sectors: 2048 });
    expect(pplField(area, 16_000)).toBe((2048 << 16) | (0x10000 - 2056));
    expect(freePplArea({ ...end, componentSectors: 15_985 })).toBeNull();
  });
});
