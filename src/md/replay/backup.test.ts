/** What a reshape's backup may and may not make the reader do; that it reads right is proved on golden images. */
import { describe, expect, it } from "vitest";
import { sameBytes } from "../../../test/support/bytes.ts";
import {
  bytesOf,
  diskOf,
  geometryOf,
  layOut,
  memberOf,
  planOf,
  sectorsOf,
  startOf,
} from "../../../test/support/md-layout.ts";
import type { TestMember } from "../../../test/support/md-layout.ts";
import { readAll } from "../../../test/support/open.ts";
import { writeSectors } from "../../block/promises.ts";
import { FaultyDevice } from "../../devices/faulty.ts";
import { MemoryDevice } from "../../devices/memory.ts";
import { backupChecksum, backupHeader } from "../../formats/md/backup-file.ts";
import { arrayUuidBytes } from "../../formats/md/superblock.ts";
import type { MdReshape, MdShape } from "../../formats/md/superblock.ts";
import { startArray } from "../start.ts";

const COMPONENT = 192;
const DATA_OFFSET = 16;
const shape = (raidDisks: number, chunkSectors: number): MdShape => ({
  level: "raid5",
  layout: 2,
  chunkSectors,
  raidDisks,
});

/** Nothing was moved yet: the reshape stands at the start. */
async function makeWorld(
  before: MdShape,
  after: MdShape,
  positionSectors: number,
): Promise<{ content: Uint8Array; members: TestMember[] }> {
  const geometry = geometryOf(positionSectors === 0 ? before : after, COMPONENT);
  const content = bytesOf(1, geometry.arraySectors);
  const images = layOut(geometry, COMPONENT, content);
  const reshape: MdReshape = {
    positionSectors,
    deltaDisks: after.raidDisks - before.raidDisks,
    backwards: false,
    before,
    after,
    newOffsetDeltaSectors: 0,
  };
  const members = await Promise.all(
    Array.from({ length: after.raidDisks }, async (_unused, slot): Promise<TestMember> => {
      const data = images[slot] ?? new Uint8Array(COMPONENT * 512);
      const device = await diskOf(`m${slot}`, DATA_OFFSET + COMPONENT, [
        { sector: DATA_OFFSET, data },
      ]);
      const superblock = memberOf(after, slot, {
        reshape,
        componentSectors: COMPONENT,
        dataOffsetSectors: DATA_OFFSET,
        dataSectors: COMPONENT,
      });
      return { device, superblock };
    }),
  );
  return { content, members };
}

async function backupOf(arraySector: number, sectors: number, data: Uint8Array) {
  const superblock = memberOf(shape(4, 16), 0);
  const header = backupHeader.encode({
    magic: "md_backup_data-1",
    setUuid: arrayUuidBytes(superblock),
    mtime: BigInt(superblock.updatedSeconds),
    devstart: 8n,
    arraystart: BigInt(arraySector),
    length: BigInt(sectors),
    sbCsum: 0,
    pad1: 0,
    devstart2: 0n,
    arraystart2: 0n,
    length2: 0n,
    sbCsum2: 0,
    pad: new Uint8Array(412),
  });
  backupHeader.encodeInto(header, 0, { sbCsum: backupChecksum(header, 64) });
  const file = new MemoryDevice({ name: "backup", sectors: 8 + sectors });
  await writeSectors(file, 0, header);
  await writeSectors(file, 8, data);
  return file;
}

describe("a backup file", () => {
  const start = async (members: readonly TestMember[], backup: MemoryDevice) =>
    startArray(planOf(members, { backupGiven: true }), {
      name: "array",
      backup,
      replayLimitBytes: 2 ** 20,
    });

  it("that claims more than memory is allowed for is refused before it is read", async () => {
    const { members } = await makeWorld(shape(4, 16), shape(4, 32), 0);
    const backup = await backupOf(0, 2 ** 33, new Uint8Array(512));
    await expect(start(members, backup)).rejects.toThrow("raise the limit");
  });

  it("may reach behind the end of the volume", async () => {
    const position = 480;
    const { content, members } = await makeWorld(shape(4, 16), shape(4, 32), position);
    const section = bytesOf(2, 192);
    const { device } = await start(members, await backupOf(position, 192, section));
    const data = await readAll(device);
    const inside = device.sectors - position;
    expect(inside).toBeLessThan(192);
    expect(sameBytes(sectorsOf(data, position, inside), sectorsOf(section, 0, inside))).toBe(true);
    expect(sameBytes(sectorsOf(data, 0, position), sectorsOf(content, 0, position))).toBe(true);
  });
});

describe("an added disk that cannot be read where a backup might be", () => {
  it("does not keep the set from starting", async () => {
    const { content, members } = await makeWorld(shape(3, 16), shape(4, 16), 0);
    const failing = new FaultyDevice(members[3]!.device);
    failing.failReads(DATA_OFFSET + COMPONENT - 8, 1);
    members[3] = { ...members[3]!, device: failing };
    expect(sameBytes(await readAll((await startOf(members)).device), content)).toBe(true);
  });
});
