import { describe, expect, it } from "vitest";
import { crc32cUpdate } from "../codec/crc32c.ts";
import {
  JBD2_MAGIC,
  JBD2_SUPERBLOCK_BYTES,
  Jbd2BlockType,
  Jbd2Compat,
  Jbd2Incompat,
  jbd2Revoked,
  jbd2Superblock,
  jbd2Tags,
  readJbd2Superblock,
  unescapeJbd2,
} from "./jbd2.ts";
import type { Jbd2Journal } from "./jbd2.ts";

type Values = Parameters<typeof jbd2Superblock.encode>[0];

function superblock(changes: Partial<Values> = {}): Uint8Array {
  const raw = new Uint8Array(JBD2_SUPERBLOCK_BYTES);
  const values: Partial<Values> = {
    magic: JBD2_MAGIC,
    blockType: Jbd2BlockType.superblockV2,
    blockBytes: 1024,
    maxLength: 4096,
    first: 1,
    sequence: 7,
    start: 3,
    uuid: new Uint8Array(16).fill(9),
    ...changes,
  };
  jbd2Superblock.encodeInto(raw, 0, values);
  if (values.checksumType === 4)
    jbd2Superblock.encodeInto(raw, 0, { checksum: crc32cUpdate(0xffff_ffff, raw) });
  return raw;
}

/** Hex words, the header first, into a block of 1 KiB. */
function blockOf(hex: string): Uint8Array {
  const block = new Uint8Array(1024);
  block.set(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
  return block;
}

const UUID = "00112233445566778899aabbccddeeff";
const HEADER = "c03b3998 00000001 00000007";

describe("readJbd2Superblock", () => {
  it("tells features, ring and fast commits apart", () => {
    expect(readJbd2Superblock(superblock())).toEqual({
      blockBytes: 1024,
      first: 1,
      end: 4096,
      maxLength: 4096,
      start: 3,
      sequence: 7,
      is64bit: false,
      checksums: "none",
      asyncCommit: false,
      fastCommitsFrom: null,
      seed: crc32cUpdate(0xffff_ffff, new Uint8Array(16).fill(9)),
    });
    const { is64bit, asyncCommit, revoke, checksumV3, fastCommit } = Jbd2Incompat;
    const featureIncompat = is64bit | asyncCommit | revoke | checksumV3 | fastCommit;
    const all = readJbd2Superblock(superblock({ featureIncompat, checksumType: 4 }));
    expect(all).toMatchObject({ is64bit: true, asyncCommit: true, checksums: "v3" });
    expect(all).toMatchObject({ end: 4096 - 256, fastCommitsFrom: 4096 - 255 });
    const fast = { featureIncompat: fastCommit, fastCommitBlocks: 64 };
    expect(readJbd2Superblock(superblock(fast))).toMatchObject({ end: 4032 });
    // Too short for them.
    expect(readJbd2Superblock(superblock({ ...fast, maxLength: 1087 })).end).toBe(1087);
  });

  it("knows no features in version 1", () => {
    const raw = superblock({
      blockType: Jbd2BlockType.superblockV1,
      featureIncompat: 0xffff_ffff,
      featureRoCompat: 1,
    });
    expect(readJbd2Superblock(raw)).toMatchObject({ is64bit: false, checksums: "none" });
  });

  it.each<[string, Partial<Values>, string]>([
    ["another magic", { magic: 1 }, "it has no superblock"],
    ["another type", { blockType: 5 }, "it has no superblock"],
    ["an unknown feature", { featureIncompat: 0x41 }, "incompatible 0x40"],
    ["a read-only feature", { featureRoCompat: 2 }, "read-only 0x2"],
    ["two checksums", { featureCompat: 1, featureIncompat: 8 }, "two kinds of checksums"],
    ["another kind of checksum", { featureIncompat: 8, checksumType: 1 }, "unknown type (1)"],
    ["no ring", { first: 0 }, "contradicts itself"],
    ["a ring behind its end", { first: 4096 }, "contradicts itself"],
    ["a start behind its end", { start: 4096 }, "starts outside"],
  ])("refuses %s", (_what, changes, message) => {
    expect(() => readJbd2Superblock(superblock(changes))).toThrow(message);
  });

  it("refuses a wrong checksum", () => {
    const raw = superblock({ featureIncompat: Jbd2Incompat.checksumV2, checksumType: 4 });
    expect(readJbd2Superblock(raw).checksums).toBe("v2");
    raw[1000]! ^= 1;
    expect(() => readJbd2Superblock(raw)).toThrow("the checksum of its superblock is wrong");
  });
});

describe("jbd2Tags", () => {
  const plain = readJbd2Superblock(superblock({ featureCompat: Jbd2Compat.checksum }));
  const form = (checksums: Jbd2Journal["checksums"], is64bit: boolean): Jbd2Journal => ({
    ...plain,
    checksums,
    is64bit,
  });
  const tag = (block: number, checksum: number | null, escaped = false): unknown => ({
    block,
    checksum,
    escaped,
  });

  it.each<[string, Jbd2Journal, string, unknown[]]>([
    [
      "32 bits",
      form("v1", false),
      `00000064 0000 0000 ${UUID} 00000065 0000 0003 00000066 0000 000a`,
      [tag(100, null), tag(101, null, true), tag(102, null)],
    ],
    [
      "64 bits",
      form("none", true),
      `00000064 0000 0000 00000000 ${UUID} 00000065 0000 000a 00000002`,
      [tag(100, null), tag(101 + 2 ** 33, null)],
    ],
    [
      "32 bits, version 2",
      form("v2", false),
      `00000064 abcd 0000 0000 ${UUID} 00000065 1234 000a 0000`,
      [tag(100, 0xabcd), tag(101, 0x1234)],
    ],
    [
      "64 bits, version 2",
      form("v2", true),
      `00000064 abcd 0000 00000001 0000 ${UUID} 00000065 1234 000a 00000000 0000`,
      [tag(100 + 2 ** 32, 0xabcd), tag(101, 0x1234)],
    ],
    [
      "64 bits, version 3",
      form("v3", true),
      `00000064 00000001 00000001 89abcdef ${UUID} 00000065 0000000a 00000000 00000001`,
      [tag(100 + 2 ** 32, 0x89ab_cdef, true), tag(101, 1)],
    ],
    [
      "32 bits, version 3",
      form("v3", false),
      "00000064 00000008 00000001 89abcdef",
      [tag(100, 0x89ab_cdef)],
    ],
  ])("reads them with %s", (_what, journal, hex, tags) => {
    expect(jbd2Tags(journal, blockOf(HEADER + hex))).toEqual(tags);
  });

  it("ends at the end of the block, before the checksum", () => {
    const endless = new Uint8Array(1024).fill(0xff);
    for (let at = 12; at + 8 <= 1024; at += 8) endless.set([0, 0, 0, 1, 0, 0, 0, 2], at);
    expect(jbd2Tags(plain, endless)).toHaveLength(126);
    const v3 = new Uint8Array(1024);
    for (let at = 12; at < 1024; at += 16) v3[at + 7] = 2;
    expect(jbd2Tags(form("v3", false), v3)).toHaveLength(63);
    v3[12 + 7] = 0;
    expect(jbd2Tags(form("v3", false), v3)).toHaveLength(62);
  });

  it("are not the only ones whose size depends on it: so do revoked blocks", () => {
    const head = "c03b3998 00000005 00000007";
    const two = blockOf(`${head} 00000018 00000001 00000002 00000003`);
    expect(jbd2Revoked(plain, two)).toEqual([1, 2]);
    expect(jbd2Revoked(form("none", true), two)).toEqual([2 ** 32 + 2]);
    const none = blockOf(`${head} 00000000`);
    expect(jbd2Revoked(plain, none)).toEqual([]);
    const full = blockOf(`${head} 00000400`);
    expect(jbd2Revoked(plain, full)).toHaveLength(252);
    expect(jbd2Revoked(form("v2", false), full)).toBeNull();
    expect(jbd2Revoked(plain, blockOf(`${head} 00000401`))).toBeNull();
  });
});

describe("unescapeJbd2", () => {
  it("puts the magic number back and nothing else", () => {
    const data = new Uint8Array(16).fill(7);
    data.fill(0, 0, 4);
    unescapeJbd2(data);
    expect([...data]).toEqual([0xc0, 0x3b, 0x39, 0x98, ...Array<number>(12).fill(7)]);
  });
});
