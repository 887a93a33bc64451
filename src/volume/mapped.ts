/** Mapped devices for as long as one command runs: `--concise 'NAME,UUID,MINOR,FLAGS,TABLE...'`, with files as their devices. */
import { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { LentDevice } from "../block/lent.ts";
import { parseConcise } from "../dm/concise.ts";
import type { ConciseDevice } from "../dm/concise.ts";
import type { MappedDevice } from "../dm/mapped-device.ts";
import { MappedDevices } from "../dm/mapped-devices.ts";
import { parseTable } from "../dm/table.ts";
import type { OpenedPath, PathOpener } from "../dm/table-devices.ts";
import type { Env } from "../env/env.ts";
import type { ParityEngine } from "../parity/engine.ts";
import { SyncScheduler } from "../sync/scheduler.ts";
import { collectWritable } from "./collect-writable.ts";
import { collectDevices } from "./devices.ts";
import { locateDevice } from "./locate.ts";
import type { VolumeReport } from "./report.ts";
import type { OpenedVolume, OpenedVolumes } from "./volume.ts";

export interface MappedVolumesOptions {
  /** What `--concise` said. */
  readonly concise: string;
  /** Only this one; those it stands on are made all the same. */
  readonly volume?: string;
  /** All tables are loaded for reading only, whatever their flags say. */
  readonly readOnly: boolean;
  readonly parityEngine: () => ParityEngine;
}

/** All that are described, or none. @throws HoldfastError `usage` naming the word that is wrong; what opening devices fails with */
export async function openMappedVolumes(
  env: Env,
  options: MappedVolumesOptions,
): Promise<OpenedVolumes> {
  const { parityEngine, readOnly, volume } = options;
  const described = parseConcise(options.concise);
  checkWanted(described, volume);
  const devices = new MappedDevices({
    env,
    parityEngine,
    scheduler: new SyncScheduler(),
    paths: new CommandPaths(env, readOnly),
  });
  try {
    const made: MappedDevice[] = [];
    for (const one of described) made.push(await make(devices, one, readOnly));
    const wanted = made.filter(({ name }) => volume === undefined || name === volume);
    const volumes = wanted.map(volumeOf);
    const close = async (): Promise<void> => {
      for (const { device } of volumes) await device.close();
      await devices.close();
    };
    return { volumes, refused: [], close };
  } catch (error) {
    await devices.close();
    throw error;
  }
}

function checkWanted(described: readonly ConciseDevice[], volume: string | undefined): void {
  const names = described.map(({ name }) => name);
  if (volume === undefined || names.includes(volume)) return;
  throw new HoldfastError(
    "not-found",
    `there is no volume ${volume} in --concise; there is: ${names.join(", ")}`,
  );
}

async function make(
  devices: MappedDevices,
  described: ConciseDevice,
  readOnly: boolean,
): Promise<MappedDevice> {
  const table = parseTable(described.lines.join("\n"));
  const device = devices.create(described);
  await devices.load(device, table, readOnly || described.readOnly);
  await devices.resume(device);
  return device;
}

function volumeOf(device: MappedDevice): OpenedVolume {
  const { name } = device;
  const readOnly = device.limits.readOnly;
  return { name, device: device.open({ readOnly }), report: reportOf(device) };
}

function reportOf({ name, uuid, sectors, live }: MappedDevice): VolumeReport {
  const types = new Set(live?.targets.map(({ type }) => type.name));
  const ids = new Set(live?.devices.map(({ key }) => key));
  return {
    name,
    kind: "dm",
    uuid,
    level: [...types].join("+"),
    layout: "-",
    chunkBytes: 0,
    raidDisks: ids.size,
    sizeBytes: sectors * SECTOR_BYTES,
    metadata: "-",
    state: "active",
    members: [],
    verdict: { kind: "can-start", degradedBy: 0 },
    notes: [],
    content: null,
  };
}

/** Devices of this command alone. */
class CommandPaths implements PathOpener {
  readonly #env: Env;
  readonly #readOnly: boolean;

  constructor(env: Env, readOnly: boolean) {
    this.#env = env;
    this.#readOnly = readOnly;
  }

  async keyOf(path: string): Promise<string> {
    const { disk, partitions } = await locateDevice(this.#env, path);
    return [disk, ...partitions].join(":p");
  }

  async open(path: string): Promise<OpenedPath> {
    const collection = await collectWritable(
      (readOnly) => collectDevices(this.#env, [path], { readOnly }),
      this.#readOnly ? "yes" : "if-need-be",
    );
    const found = collection.devices.find((one) => one.path === path);
    if (found === undefined) {
      await collection.close();
      throw new HoldfastError("usage", `${path} is no device`);
    }
    return { device: new LentDevice(found.device, () => collection.close()), id: path };
  }
}
