import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeR5Meta,
  r5BlockChecksum,
  r5DataParity,
  r5Flush,
  r5MetaBlock,
  r5MetaChecksum,
  r5Seed,
  r5Start,
  readR5Log,
} from "./r5-log.ts";
import type { R5Log, R5Meta } from "./r5-log.ts";

const LOG: R5Log = { sectors: 80, seed: r5Seed(new Uint8Array(16).fill(9)) };

type Item =
  | { readonly kind: "data" | "parity"; readonly location: number; readonly blocks: number[] }
  | { readonly kind: "flush"; readonly stripes: number[] };

/** A log of ten blocks in memory, written as the kernel would. */
class Ring {
  readonly bytes = new Uint8Array(LOG.sectors * 512);

  block(sector: number): Uint8Array {
    return this.bytes.subarray(sector * 512, sector * 512 + 4096);
  }

  /** @returns the sector behind it */
  write(position: number, seq: bigint, items: Item[]): number {
    const meta = this.block(position);
    meta.fill(0);
    const view = new DataView(meta.buffer, meta.byteOffset, 4096);
    let offset = 32;
    let next = (position + 8) % LOG.sectors;
    for (const item of items) {
      if (item.kind === "flush") {
        r5Flush.encodeInto(meta, offset, { type: 2, flags: 1, size: 8 * item.stripes.length });
        item.stripes.forEach((stripe, i) =>
          view.setBigUint64(offset + 8 + 8 * i, BigInt(stripe), true),
        );
        offset += 8 + 8 * item.stripes.length;
        continue;
      }
      const head = {
        type: item.kind === "data" ? 0 : 1,
        flags: 0,
        size: 8 * item.blocks.length,
        location: BigInt(item.location),
      };
      r5DataParity.encodeInto(meta, offset, head);
      for (const [i, fill] of item.blocks.entries()) {
        const block = this.block(next).fill(fill);
        view.setUint32(offset + 16 + 4 * i, r5BlockChecksum(LOG.seed, block), true);
        next = (next + 8) % LOG.sectors;
      }
      offset += 16 + 4 * item.blocks.length;
    }
    this.seal(position, seq, offset);
    return next;
  }

  seal(position: number, seq: bigint, metaSize: number): void {
    const meta = this.block(position);
    r5MetaBlock.encodeInto(meta, 0, {
      magic: 0x6433c509,
      version: 1,
      metaSize,
      seq,
      position: BigInt(position),
    });
    r5MetaBlock.encodeInto(meta, 0, { checksum: r5MetaChecksum(LOG.seed, meta) });
  }

  async walk(tail: number): Promise<R5Meta[]> {
    const metas: R5Meta[] = [];
    const read = (sector: number): Promise<Uint8Array> => Promise.resolve(this.block(sector));
    for await (const meta of readR5Log(read, LOG, tail)) metas.push(meta);
    return metas;
  }
}

describe("the journal", () => {
  it("is read from its tail, round the end of the ring", async () => {
    const ring = new Ring();
    const second = ring.write(56, 100n, [
      { kind: "data", location: 640, blocks: [1] },
      { kind: "parity", location: 320, blocks: [2, 3] },
    ]);
    expect(second).toBe(8);
    ring.write(second, 101n, [{ kind: "flush", stripes: [320, 328] }]);
    const metas = await ring.walk(56);
    expect(metas.map(({ seq, position, sectors }) => [seq, position, sectors])).toEqual([
      [100n, 56, 32],
      [101n, 8, 8],
    ]);
    expect(metas[0]!.payloads).toMatchObject([
      { kind: "data", arraySector: 640, block: { logSector: 64 } },
      { kind: "parity", memberSector: 320, p: { logSector: 72 }, q: { logSector: 0 } },
    ]);
    expect(metas[1]!.payloads).toEqual([{ kind: "flush", memberSectors: [320, 328] }]);
  });

  it("ends at a sequence number out of turn: an older round of the ring", async () => {
    const ring = new Ring();
    const next = ring.write(0, 100n, [{ kind: "data", location: 8, blocks: [1] }]);
    ring.write(next, 99n, []);
    expect(await ring.walk(0)).toHaveLength(1);
  });

  it("gives nothing of a meta block one of whose blocks is torn, nor what follows", async () => {
    const ring = new Ring();
    const next = ring.write(0, 100n, [
      { kind: "data", location: 8, blocks: [1] },
      { kind: "data", location: 16, blocks: [2] },
    ]);
    ring.write(next, 101n, [{ kind: "data", location: 24, blocks: [3] }]);
    ring.block(16)[77] = 0;
    expect(await ring.walk(0)).toEqual([]);
  });

  it("is empty when the tail's block is no meta block or belongs elsewhere", async () => {
    const ring = new Ring();
    expect(await ring.walk(0)).toEqual([]);
    ring.write(8, 5n, []);
    ring.bytes.copyWithin(0, 8 * 512, 16 * 512);
    expect(await ring.walk(0)).toEqual([]);
    expect(await ring.walk(8)).toHaveLength(1);
  });

  it("starts at 0 when the tail cannot be right", () => {
    expect(r5Start(LOG, 72)).toBe(72);
    expect(r5Start(LOG, 80)).toBe(0);
    expect(r5Start(LOG, 9)).toBe(0);
    expect(r5Start(LOG, Infinity)).toBe(0);
  });

  it("comes to an end though the whole ring is valid", async () => {
    const ring = new Ring();
    for (let i = 0; i < 10; i += 1) ring.write(8 * i, BigInt(i), []);
    expect(await ring.walk(0)).toHaveLength(10);
  });
});

describe("a meta block", () => {
  it("is refused when its payloads do not fit", () => {
    const ring = new Ring();
    ring.write(0, 1n, [{ kind: "data", location: 8, blocks: [1] }]);
    for (const [size, change] of [
      [40, (): void => {}],
      [50, (): void => {}],
      [52, (meta: Uint8Array): void => r5DataParity.encodeInto(meta, 32, { type: 3 })],
      [52, (meta: Uint8Array): void => r5DataParity.encodeInto(meta, 32, { size: 16 })],
      [52, (meta: Uint8Array): void => r5DataParity.encodeInto(meta, 32, { size: 0 })],
      [52, (meta: Uint8Array): void => r5DataParity.encodeInto(meta, 32, { location: 9n })],
      [52, (meta: Uint8Array): void => r5DataParity.encodeInto(meta, 32, { type: 2, size: 99 })],
      [5000, (): void => {}],
    ] as const) {
      const copy = new Ring();
      copy.bytes.set(ring.bytes);
      change(copy.block(0));
      copy.seal(0, 1n, size);
      expect(decodeR5Meta(copy.block(0), LOG, 0, null).kind, `${size}`).toBe("bad");
    }
  });

  it("never throws whatever its payloads are", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 600 }),
        fc.nat(4200),
        (words, size) => {
          const ring = new Ring();
          const view = new DataView(ring.bytes.buffer);
          words.forEach((word, i) => view.setUint16(32 + 2 * i, word, true));
          ring.seal(0, 1n, size);
          const decoded = decodeR5Meta(ring.block(0), LOG, 0, 1n);
          expect(["ok", "bad"]).toContain(decoded.kind);
          if (decoded.kind === "ok") expect(decoded.meta.sectors).toBeLessThanOrEqual(LOG.sectors);
        },
      ),
      { seed: 14, numRuns: 500 },
    );
  });
});
