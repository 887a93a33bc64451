/** Disks on which the array of a run was created. */
import { HoldfastError } from "../base/errors.ts";
import { planCreate } from "../md/create/plan-create.ts";
import type { NewDevice } from "../md/create/request.ts";
import { SimDisk } from "./disk.ts";
import { JOURNAL_SECTORS, dataOffsetOf, requestOf } from "./shape.ts";
import type { Shape } from "./shape.ts";
import type { World } from "./world.ts";

export function newDisks(world: World, shape: Shape): SimDisk[] {
  const prng = world.prng("create");
  const sectors = dataOffsetOf(shape) + shape.componentSectors;
  const sizes = Array.from({ length: shape.disks + shape.spares }, () => sectors);
  const hasJournal = shape.consistency === "journal";
  if (hasJournal) sizes.push(dataOffsetOf(shape) + JOURNAL_SECTORS);
  const uuid = (): Uint8Array => {
    const bytes = new Uint8Array(16);
    prng.fill(bytes);
    return bytes;
  };
  const devices = sizes.map((size, index): NewDevice => ({
    label: `disk${index}`,
    sectors: size,
    deviceUuid: uuid(),
    isJournal: hasJournal && index === sizes.length - 1,
    writeMostly: shape.writeBehind > 0 && index === 1,
    failFast: false,
    dataOffsetSectors: null,
    node: null,
    oldSuperblockSectors: [],
  }));
  const decision = planCreate({
    version: "1.2",
    level: shape.level,
    layout: null,
    chunkSectors: null,
    raidDisks: shape.disks,
    spareDisks: shape.spares,
    devices,
    componentSectors: null,
    dataOffsetSectors: null,
    bitmap: null,
    consistencyPolicy: null,
    assumeClean: false,
    force: true,
    badBlockLog: true,
    name: "0",
    homehost: "sim",
    arrayUuid: uuid(),
    createdSeconds: Math.floor(world.wallMs / 1000),
    preferredMinor: 0,
    journalSequence: 0x1234n,
    ...requestOf(shape),
  });
  if (decision.kind === "refused") throw new HoldfastError("usage", decision.reason);
  const disks = sizes.map((size, index) => new SimDisk(world, `disk${index}`, size));
  for (const { index, writes } of decision.plan.devices)
    for (const { sector, bytes } of writes) disks[index]!.put(sector, bytes);
  return disks;
}
