import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backupChecksum, backupHeader, decodeBackupHeader, judgeBackup } from "./backup-file.ts";
import type { BackupVerdict, MdBackup } from "./backup-file.ts";
import type { MdReshape, MdShape } from "./superblock.ts";

const UUID = new Uint8Array(16).fill(4);
type Raw = ReturnType<typeof backupHeader.decode>;

/** Two sections: array sectors 4096 to 8192 and 8192 to 12288. */
function bytesOf(changes: Partial<Raw> = {}): Uint8Array {
  const data = backupHeader.encode({
    magic: "md_backup_data-2",
    setUuid: UUID,
    mtime: 1_000_000n,
    devstart: 8n,
    arraystart: 4096n,
    length: 4096n,
    sbCsum: 0,
    pad1: 0,
    devstart2: 4096n,
    arraystart2: 8192n,
    length2: 4096n,
    sbCsum2: 0,
    pad: new Uint8Array(412),
    ...changes,
  });
  backupHeader.encodeInto(data, 0, { sbCsum: backupChecksum(data, 64) });
  backupHeader.encodeInto(data, 0, { sbCsum2: backupChecksum(data, 96) });
  return data;
}

function ok(changes: Partial<Raw> = {}): MdBackup {
  const decoded = decodeBackupHeader(bytesOf(changes));
  if (decoded.kind !== "ok") throw new Error(decoded.kind);
  return decoded.backup;
}

const SHAPE: MdShape = { level: "raid5", layout: 2, chunkSectors: 128, raidDisks: 3 };

function judge(
  position: number,
  changes: { backup?: Partial<Raw>; backwards?: boolean; updated?: number; uuid?: Uint8Array } = {},
): BackupVerdict {
  const backwards = changes.backwards ?? false;
  const reshape: MdReshape = {
    positionSectors: position,
    deltaDisks: backwards ? -1 : 0,
    backwards,
    before: SHAPE,
    after: SHAPE,
    newOffsetDeltaSectors: 0,
  };
  const updatedSeconds = changes.updated ?? 1_000_000;
  return judgeBackup(ok(changes.backup), {
    uuid: changes.uuid ?? UUID,
    updatedSeconds,
    reshape,
  });
}

describe("the header", () => {
  it("says where the sections are and belong", () => {
    expect(ok()).toMatchObject({
      copySector: 0,
      comparedBytes: 100,
      sections: [
        { backupSector: 8, arraySector: 4096, sectors: 4096 },
        { backupSector: 4104, arraySector: 8192, sectors: 4096 },
      ],
    });
    expect(ok({ magic: "md_backup_data-1" })).toMatchObject({
      comparedBytes: 68,
      sections: [{ backupSector: 8, arraySector: 4096, sectors: 4096 }],
    });
    expect(ok({ length: 0n }).sections).toHaveLength(1);
  });

  it("has a sum that only depends on its first byte", () => {
    const other = bytesOf({ mtime: 55n, arraystart: 1n });
    expect(backupChecksum(other, 64)).toBe(backupChecksum(bytesOf(), 64));
    const wrong = bytesOf();
    wrong[64]! ^= 1;
    expect(decodeBackupHeader(wrong).kind).toBe("bad");
    const wrong2 = bytesOf();
    wrong2[96]! ^= 1;
    expect(decodeBackupHeader(wrong2).kind).toBe("bad");
  });

  it("never throws", () => {
    expect(decodeBackupHeader(new Uint8Array(512))).toEqual({ kind: "none" });
    expect(decodeBackupHeader(new Uint8Array(3))).toEqual({ kind: "none" });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 496, maxLength: 496 }), (junk) => {
        const data = bytesOf();
        data.set(junk, 16);
        backupHeader.encodeInto(data, 0, { sbCsum: backupChecksum(data, 64) });
        backupHeader.encodeInto(data, 0, { sbCsum2: backupChecksum(data, 96) });
        expect(["ok", "bad"]).toContain(decodeBackupHeader(data).kind);
      }),
      { seed: 15, numRuns: 200 },
    );
  });
});

describe("judgeBackup", () => {
  it("goes on behind the sections the reshape stands in", () => {
    expect(judge(4096)).toMatchObject({ kind: "use", positionSectors: 12288 });
    expect(judge(9000)).toMatchObject({ kind: "use", positionSectors: 12288 });
    expect(judge(9000, { backwards: true })).toMatchObject({ kind: "use", positionSectors: 4096 });
  });

  it("does not jump over a gap between sections", () => {
    const backup = { arraystart2: 20000n };
    const verdict = judge(5000, { backup });
    expect(verdict).toMatchObject({ kind: "use", positionSectors: 8192 });
    expect(verdict.kind === "use" && verdict.sections).toHaveLength(1);
  });

  it("is not needed before, behind, or without sections", () => {
    expect(judge(4095).kind).toBe("not-needed");
    expect(judge(12289).kind).toBe("not-needed");
    expect(judge(4096, { backup: { length: 0n, length2: 0n } }).kind).toBe("not-needed");
  });

  it("refuses another array's, and one of another time", () => {
    expect(judge(4096, { uuid: new Uint8Array(16) }).kind).toBe("refuse");
    expect(judge(4096, { updated: 1_000_000 + 7200 }).kind).toBe("use");
    expect(judge(4096, { updated: 1_000_000 + 7201 }).kind).toBe("refuse");
    expect(judge(4096, { updated: 1_000_000 - 600 }).kind).toBe("use");
    expect(judge(4096, { updated: 1_000_000 - 601 }).kind).toBe("refuse");
  });
});
