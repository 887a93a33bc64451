/** Opens sets with Holdfast and reads them from end to end. */
import { createHash } from "node:crypto";
import type { BlockDevice } from "../../src/block/device.ts";
import { readInto } from "../../src/block/promises.ts";
import { nodeEnv } from "../../src/env/node/env.ts";
import { createParityEngine } from "../../src/parity/engine.ts";
import { openVolumes } from "../../src/volume/open.ts";
import type { VolumeReport } from "../../src/volume/report.ts";
import type { OpenRequest } from "../../src/volume/volume.ts";
import { stampRuns } from "./stamp.ts";

const PIECE_SECTORS = 2048;

/** As the program has it: one for all that is opened. */
const parityEngine = createParityEngine();

export interface ReadVolume {
  readonly report: VolumeReport;
  readonly bytes: number;
  readonly sha256: string;
  /** Runs as in a golden `map`. */
  readonly map: readonly string[];
}

export interface ReadSets {
  readonly volumes: readonly ReadVolume[];
  readonly refused: readonly VolumeReport[];
}

/** The whole content of a device. */
export async function readAll(device: BlockDevice): Promise<Uint8Array> {
  const data = new Uint8Array(device.sectors * 512);
  for (let sector = 0; sector < device.sectors; sector += PIECE_SECTORS) {
    const end = Math.min(device.sectors, sector + PIECE_SECTORS);
    await readInto(device, sector, data.subarray(sector * 512, end * 512));
  }
  return data;
}

/** Opens the paths, reads every volume that could be started, closes them. */
export async function readSets(
  paths: readonly string[],
  options: Partial<OpenRequest> = {},
): Promise<ReadSets> {
  const opened = await openVolumes(
    nodeEnv(),
    { force: false, ...options, paths },
    () => parityEngine,
  );
  try {
    const volumes: ReadVolume[] = [];
    for (const volume of opened.volumes) {
      const data = await readAll(volume.device);
      const sha256 = createHash("sha256").update(data).digest("hex");
      volumes.push({ report: volume.report, bytes: data.length, sha256, map: stampRuns(data) });
    }
    return { volumes, refused: opened.refused };
  } finally {
    await opened.close();
  }
}

/** One line about sets that were refused, for a test's message. */
export function refusalsOf(sets: ReadSets): string {
  const texts = sets.refused.map((report) => JSON.stringify(report.verdict));
  return texts.length === 0 ? "nothing was refused" : texts.join("; ");
}
