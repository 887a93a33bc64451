import fc from "fast-check";
import { describe, expect, it } from "vitest";
import "../../../test/support/seed-properties.ts";
import { decodeBadBlocks } from "../../formats/md/bad-blocks.ts";
import type { MdBadBlockLog } from "../../formats/md/superblock.ts";
import { BadBlockTable } from "./bad-block-table.ts";

const LOG: MdBadBlockLog = { startSector: 16, sectors: 8, shift: 0, inUse: true };
const SECTORS = 64;

const change = fc.record({
  isBad: fc.boolean(),
  sector: fc.nat(SECTORS - 1),
  sectors: fc.integer({ min: 1, max: 20 }),
});

describe("a table of bad blocks", () => {
  it("is the set of sectors that were added and not removed, in memory and as written", () => {
    const law = fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const table = new BadBlockTable(LOG, []);
      const model = new Set<number>();
      for (const { isBad, sector, sectors } of changes) {
        if (isBad) expect(table.add(sector, sectors)).toBe(true);
        else table.remove(sector, sectors);
        for (let i = sector; i < sector + sectors; i += 1)
          if (isBad) model.add(i);
          else model.delete(i);
      }
      for (let at = 0; at < SECTORS; at += 1) {
        const run = table.run(at, 10);
        const isBad = model.has(at);
        expect(run < 0).toBe(isBad);
        for (let i = 0; i < Math.abs(run); i += 1) expect(model.has(at + i)).toBe(isBad);
        if (Math.abs(run) < 10) expect(model.has(at + Math.abs(run))).toBe(!isBad);
      }
      expect(table.isEmpty).toBe(model.size === 0);
      const decoded = decodeBadBlocks(table.encode(), 0);
      expect(decoded).toEqual({ kind: "ok", ranges: table.ranges });
    });
    fc.assert(law);
  });

  it("knows what is not on the device yet, also what came while it was written", () => {
    const table = new BadBlockTable(LOG, [{ sector: 1, sectors: 1 }]);
    expect(table.isChanged).toBe(false);
    table.add(5, 1);
    const { version } = table;
    table.add(9, 1);
    table.acknowledge(version);
    expect(table.isChanged).toBe(true);
    table.acknowledge(table.version);
    expect(table.isChanged).toBe(false);
    expect(table.remove(20, 5)).toBe(false);
    expect(table.isChanged).toBe(false);
  });

  it("takes nothing without a log, nor more than the log has room for", () => {
    expect(new BadBlockTable(null, []).add(1, 1)).toBe(false);
    const table = new BadBlockTable({ ...LOG, sectors: 1 }, []);
    for (let i = 0; i < 64; i += 1) expect(table.add(10 * i, 1)).toBe(true);
    const { ranges, version } = table;
    expect(table.add(5, 1)).toBe(false);
    expect(table).toMatchObject({ ranges, version });
    // What touches a range that is listed needs no room.
    expect(table.add(1, 1)).toBe(true);
  });
});
