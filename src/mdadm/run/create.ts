/**
 * mdadm --create: looks at the devices, has the host plan the array, says what is chosen and what would be lost, asks, and has it made.
 * Nothing is written before the answer.
 */
import { HoldfastError } from "../../base/errors.ts";
import { layoutName } from "../../formats/md/layout-names.ts";
import type { MdLevel, MdVersion } from "../../formats/md/superblock.ts";
import type { CreateCall, CreateDevice, CreateOutcome } from "../../host/array-host.ts";
import type { CreateSummary } from "../../md/create/summary.ts";
import type { CreateCommand, MetadataChoice, NamedDevice } from "../command.ts";
import { arrayNamed } from "./array-name.ts";
import type { NamedArray } from "./array-name.ts";
import { shapeRefusal } from "./create-shape.ts";
import { remarksOn } from "./in-use.ts";
import type { Remark } from "./in-use.ts";
import { withKernelName } from "./kernel-name.ts";
import { openFailure, refuseForeign, withDevice } from "./probe.ts";
import type { Session } from "./session.ts";

/** From here on a member gets a write-intent bitmap unasked. */
const LARGE_COMPONENT_SECTORS = 100 * 1024 * 1024 * 2;
const USUAL_DELAY_SECONDS = 5;
const CANNOT_OPEN = 2;

const LEVELS: readonly string[] = [
  "linear",
  "raid0",
  "raid1",
  "raid4",
  "raid5",
  "raid6",
  "raid10",
] satisfies MdLevel[];

/** @throws `unsupported` */
export function levelOf(level: string): MdLevel {
  if (LEVELS.includes(level)) return level as MdLevel;
  throw new HoldfastError("unsupported", `arrays of level ${level} cannot be made here`);
}

function refuseUnsupported({ bitmap, nodes, homeCluster, logicalBlockBytes }: CreateCommand): void {
  const no = (what: string): never => {
    throw new HoldfastError("unsupported", `${what} cannot be made here`);
  };
  if (bitmap?.kind === "file") no("bitmaps in files");
  if (bitmap?.kind === "clustered" || nodes !== null || homeCluster !== null)
    no("clustered arrays");
  if (bitmap?.kind === "lockless") no("lockless bitmaps");
  if (logicalBlockBytes !== null) no("arrays with a logical block size of their own");
}

function versionOf(metadata: MetadataChoice | null): MdVersion {
  if (metadata?.kind !== "native" || metadata.version === "1") return "1.2";
  return metadata.version;
}

export function createDevice(session: Session, device: NamedDevice): CreateDevice | null {
  if (device.missing) return null;
  return {
    path: session.absolute(device.path),
    writeMostly: device.writeMostly === true,
    failFast: device.failFast === true,
    dataOffsetSectors: device.dataOffsetSectors,
  };
}

function bitmapOf(command: CreateCommand): CreateCall["bitmap"] {
  if (command.bitmap?.kind !== "internal") return null;
  return newBitmap(command);
}

export function newBitmap(command: {
  readonly bitmapChunkBytes: number | null;
  readonly delaySeconds: number | null;
  readonly writeBehind: number | null;
}): NonNullable<CreateCall["bitmap"]> {
  const { bitmapChunkBytes, delaySeconds, writeBehind } = command;
  return {
    chunkSectors: bitmapChunkBytes === null ? null : bitmapChunkBytes / 512,
    delaySeconds: delaySeconds ?? USUAL_DELAY_SECONDS,
    writeBehind: writeBehind ?? 0,
  };
}

async function callFor(
  session: Session,
  command: CreateCommand,
  names: NamedArray,
): Promise<CreateCall> {
  const config = await session.config();
  const metadata = command.metadata ?? config.create.metadata;
  refuseForeign(metadata);
  const { size, dataOffset, common } = command;
  return {
    names: await withKernelName(session, { kernelName: names.kernelName, path: names.path }),
    devices: command.devices.map((device) => createDevice(session, device)),
    journal: command.writeJournal === null ? null : session.absolute(command.writeJournal),
    version: versionOf(metadata),
    level: levelOf(command.level),
    layout: command.layout,
    chunkSectors: command.chunkSectors,
    raidDisks: command.raidDevices,
    spareDisks: command.spareDevices,
    componentSectors: size === "max" ? null : size,
    dataOffsetSectors: dataOffset === "variable" ? null : dataOffset,
    bitmap: bitmapOf(command),
    consistencyPolicy: command.consistencyPolicy,
    assumeClean: command.assumeClean,
    force: common.force,
    name: command.name ?? names.ownName,
    homehost: (await session.homehost()).name,
    uuid: command.uuid?.replaceAll(":", "") ?? null,
    readOnly: command.readOnly,
    writeZeroes: command.writeZeroes,
    badBlockLog: config.create.badBlockLog ?? true,
    dryRun: true,
  };
}

/** Null: one of them cannot be opened, and that was said. */
async function lookAtDevices(session: Session, command: CreateCommand): Promise<Remark[] | null> {
  const remarks: Remark[] = [];
  const paths = command.devices.filter(({ missing }) => !missing).map(({ path }) => path);
  if (command.writeJournal !== null) paths.push(command.writeJournal);
  for (const path of paths)
    try {
      remarks.push(...(await withDevice(session, path, (device) => remarksOn(device, path))));
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      session.warn(`cannot open ${path}: ${openFailure(thrown)}`);
      return null;
    }
  return remarks;
}

function tellChoices(session: Session, command: CreateCommand, plan: CreateSummary): void {
  const level = levelOf(command.level);
  const hasLayout = level === "raid5" || level === "raid6" || level === "raid10";
  if (command.layout === null && hasLayout)
    session.detail(`layout defaults to ${layoutName(level, plan.layout)}`);
  if (command.chunkSectors === null && plan.chunkSectors > 0)
    session.detail(`chunk size defaults to ${plan.chunkSectors / 2}K`);
  if (command.size === null && plan.componentSectors > 0)
    session.detail(`size set to ${plan.componentSectors / 2}K`);
}

function planRemarks(command: CreateCommand, call: CreateCall, plan: CreateSummary): Remark[] {
  const remarks: Remark[] = [];
  if (plan.wastedOn !== null) {
    const path = command.devices[plan.wastedOn]?.path ?? "";
    const kib = plan.componentSectors / 2;
    remarks.push([`largest drive (${path}) exceeds size (${kib}K) by more than 1%`]);
  }
  if (call.level === "raid1" && (call.version === "1.1" || call.version === "1.2"))
    remarks.push([
      "Note: this array has metadata at the start and",
      "may not be suitable as a boot device: a boot loader would have to",
      "understand md/v1.x metadata; --metadata=0.90 or 1.0 stand at the end.",
    ]);
  return remarks;
}

/** What is only known once the plan is: large arrays have a bitmap, so that no crash costs a resync of them. */
async function planned(
  session: Session,
  command: CreateCommand,
  call: CreateCall,
): Promise<{ readonly call: CreateCall; readonly outcome: CreateOutcome }> {
  const host = await session.host();
  const outcome = await host.create(call);
  const isOpen =
    command.bitmap === null && command.consistencyPolicy === null && call.journal === null;
  const isLarge = outcome.plan.componentSectors > LARGE_COMPONENT_SECTORS;
  if (!isOpen || !isLarge) return { call, outcome };
  session.detail("automatically enabling write-intent bitmap on large array");
  const withBitmap = { ...call, bitmap: newBitmap(command) };
  return { call: withBitmap, outcome: await host.create(withBitmap) };
}

async function mayGoOn(
  session: Session,
  command: CreateCommand,
  remarks: readonly Remark[],
): Promise<boolean> {
  if (session.isQuiet && command.run) return true;
  for (const remark of remarks) session.warn(...remark);
  if (remarks.length === 0 || command.run) return true;
  return session.confirm("Continue creating array");
}

export async function runCreate(session: Session, command: CreateCommand): Promise<number> {
  refuseUnsupported(command);
  const refusal = shapeRefusal(command);
  if (refusal !== null) return session.refuse(refusal.exitCode, refusal.text);
  const names = arrayNamed(command.array);
  const wanted = await callFor(session, command, names);
  const found = await lookAtDevices(session, command);
  if (found === null) return CANNOT_OPEN;
  const { call, outcome } = await planned(session, command, wanted);
  tellChoices(session, command, outcome.plan);
  const remarks = [...found, ...planRemarks(command, call, outcome.plan)];
  if (!(await mayGoOn(session, command, remarks))) return session.refuse(1, "create aborted.");
  const isUsual = command.metadata === null && (await session.config()).create.metadata === null;
  if (isUsual) session.info("Defaulting to version 1.2 metadata");
  const made = await (await session.host()).create({ ...call, dryRun: false });
  session.result({ array: made.array });
  session.info(`array ${command.array} started.`);
  return 0;
}
