import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  PPL_MAX_ENTRIES,
  decodePplHeader,
  findNewestPpl,
  pplExtent,
  pplHeader,
  pplHeaderChecksum,
  pplSignature,
} from "./ppl.ts";
import type { PplEntry, PplHeaderRaw, PplReader } from "./ppl.ts";

const SIGNATURE = pplSignature(new Uint8Array(16).fill(5));
type RawEntry = PplHeaderRaw["entries"][number];

function entry(changes: Partial<RawEntry> = {}): RawEntry {
  return { dataSector: 64n, ppSize: 4096, dataSize: 8192, parityDisk: 1, checksum: 0, ...changes };
}

function headerOf(entries: RawEntry[], changes: Partial<PplHeaderRaw> = {}): Uint8Array {
  const none = entry({ dataSector: 0n, ppSize: 0, dataSize: 0, parityDisk: 0 });
  const data = pplHeader.encode({
    reserved: new Uint8Array(512).fill(0xff),
    signature: SIGNATURE,
    padding: 0,
    generation: 1n,
    entriesCount: entries.length,
    checksum: 0,
    entries: Array.from({ length: PPL_MAX_ENTRIES }, (_unused, i) => entries[i] ?? none),
    ...changes,
  });
  pplHeader.encodeInto(data, 0, { checksum: pplHeaderChecksum(data) });
  return data;
}

/** An area with headers at the given sectors, zeros elsewhere. */
function areaOf(headers: Record<number, Uint8Array>): PplReader {
  return (sector) => Promise.resolve(headers[sector] ?? new Uint8Array(4096));
}

describe("a header", () => {
  it("gives its entries with the place of their partial parity", () => {
    const data = headerOf([entry(), entry({ ppSize: 0 }), entry({ ppSize: 512 })]);
    const decoded = decodePplHeader(data, SIGNATURE);
    if (decoded.kind !== "ok") throw new Error(decoded.reason);
    expect(decoded.log.entries.map(({ ppSector }) => ppSector)).toEqual([8, 16, 16]);
    expect(decoded.log.sectors).toBe(17);
    expect(decoded.log.generation).toBe(1n);
  });

  it("is refused with a wrong checksum, signature or count", () => {
    const good = headerOf([entry()]);
    const torn = new Uint8Array(good);
    torn[600]! ^= 1;
    expect(decodePplHeader(torn, SIGNATURE)).toMatchObject({ kind: "bad" });
    expect(decodePplHeader(good, SIGNATURE + 1)).toMatchObject({ kind: "bad" });
    expect(decodePplHeader(headerOf([], { entriesCount: 149 }), SIGNATURE).kind).toBe("bad");
    expect(decodePplHeader(headerOf([entry({ ppSize: 100 })]), SIGNATURE).kind).toBe("bad");
  });

  it("never throws, and encodes to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), (data) => {
        expect(["ok", "bad"]).toContain(decodePplHeader(data, SIGNATURE).kind);
        const copy = new Uint8Array(data);
        pplHeader.encodeInto(copy, 0, pplHeader.decode(data));
        expect(Buffer.compare(copy, data)).toBe(0);
        pplHeader.encodeInto(copy, 0, { signature: SIGNATURE });
        pplHeader.encodeInto(copy, 0, { checksum: pplHeaderChecksum(copy) });
        expect(["ok", "bad"]).toContain(decodePplHeader(copy, SIGNATURE).kind);
      }),
      { seed: 13, numRuns: 100 },
    );
  });
});

describe("findNewestPpl", () => {
  const old = headerOf([entry()], { generation: 7n });
  const newer = headerOf([entry()], { generation: 8n });

  it("follows ascending generations", async () => {
    const found = await findNewestPpl(areaOf({ 0: old, 16: newer }), 2048, SIGNATURE);
    expect(found).toMatchObject({ sector: 16, log: { generation: 8n } });
  });

  it("stops where the ring was overwritten from the start", async () => {
    const found = await findNewestPpl(areaOf({ 0: newer, 16: old }), 2048, SIGNATURE);
    expect(found).toMatchObject({ sector: 0, log: { generation: 8n } });
  });

  it("ends with the area", async () => {
    const found = await findNewestPpl(areaOf({ 0: old, 16: newer }), 24, SIGNATURE);
    expect(found?.sector).toBe(0);
  });

  it("finds none in zeros", async () => {
    expect(await findNewestPpl(areaOf({}), 2048, SIGNATURE)).toBeNull();
  });
});

describe("pplExtent", () => {
  const array = { chunkSectors: 32, raidDisks: 4 };
  const of = (changes: Partial<PplEntry>): ReturnType<typeof pplExtent> =>
    pplExtent(
      {
        dataSector: 8,
        ppBytes: 0,
        dataBytes: 0,
        parityDisk: 3,
        checksum: 0,
        ppSector: 8,
        ...changes,
      },
      array,
    );

  it("two data disks, three rows of 4 KiB (the example in the kernel's raid5-ppl.c)", () => {
    expect(of({ ppBytes: 3 * 4096, dataBytes: 6 * 4096 })).toEqual({
      firstSector: 8,
      endSector: 8 + 32 + 24,
      dataDisks: 2,
      stripSectors: 24,
      blockSectors: 8,
    });
  });

  it("a full-stripe write has no partial parity", () => {
    expect(of({ dataSector: 0, dataBytes: 3 * 4096 })).toMatchObject({
      dataDisks: 3,
      stripSectors: 8,
      endSector: 64 + 8,
    });
  });

  it("a whole strip of partial parity", () => {
    expect(of({ dataSector: 0, ppBytes: 16384, dataBytes: 16384 })).toMatchObject({
      dataDisks: 3,
      stripSectors: 32,
      endSector: 32,
    });
  });

  it("goes by sectors where it is not on 4 KiB", () => {
    expect(of({ dataSector: 9, ppBytes: 512, dataBytes: 512 })?.blockSectors).toBe(1);
  });

  it("fits no stripe", () => {
    expect(of({ ppBytes: 4096, dataBytes: 4 * 4096 })).toBeNull();
    expect(of({ ppBytes: 4096, dataBytes: 512 })).toBeNull();
    expect(of({})).toBeNull();
  });
});
