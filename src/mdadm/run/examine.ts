/** mdadm --examine: superblocks of members, in full, in brief and for udev. */
import { HoldfastError } from "../../base/errors.ts";
import { readSectors } from "../../block/promises.ts";
import type { MdSuperblock } from "../../formats/md/superblock.ts";
import { readMemberBitmap } from "../../md/probe.ts";
import type { MetadataChoice, MiscCommand } from "../command.ts";
import { examineBriefText, examineExportText } from "../examine-brief-text.ts";
import { examineText } from "../examine-text.ts";
import type { Examined } from "../examine-text.ts";
import { openFailure, refuseForeign, superblockOn, withDevice } from "./probe.ts";
import { devicesToScan } from "./scan-devices.ts";
import type { Session } from "./session.ts";

const SUPERBLOCK_SECTORS = 8;

async function examined(
  session: Session,
  path: string,
  metadata: MetadataChoice | null,
): Promise<Examined | null> {
  const { name } = await session.homehost();
  return withDevice(session, path, async (device) => {
    const superblock = await superblockOn(device, metadata);
    if (superblock === null) return null;
    const bitmap = await readMemberBitmap(device, superblock);
    return {
      path,
      superblock,
      data: await readSectors(device, superblock.superSector, SUPERBLOCK_SECTORS),
      deviceSectors: device.sectors,
      bitmap: bitmap?.decoded.kind === "ok" ? bitmap.decoded.bitmap : null,
      homehost: name,
      pathOf: () => null,
    };
  });
}

/** Members of one array, as the brief form shows them. */
interface Gathered {
  readonly superblock: MdSuperblock;
  spares: number;
  readonly paths: string[];
}

function isSpare({ role, replacement }: MdSuperblock): boolean {
  return role.kind !== "active" || replacement;
}

class Examination {
  readonly #session: Session;
  readonly #isBrief: boolean;
  readonly #gathered = new Map<string, Gathered>();

  constructor(session: Session) {
    this.#session = session;
    this.#isBrief = session.common.brief && !session.common.export;
  }

  show(one: Examined): void {
    const { superblock, path } = one;
    const { fields: _fields, ...said } = superblock;
    this.#session.result({ path, superblock: said });
    if (this.#session.common.export) this.#session.print(examineExportText(superblock));
    else if (this.#isBrief) this.#gather(path, superblock);
    else this.#session.print(examineText(one));
  }

  #gather(path: string, superblock: MdSuperblock): void {
    const key = `${superblock.version} ${superblock.arrayUuid}`;
    const array = this.#gathered.get(key) ?? { superblock, spares: 0, paths: [] };
    if (isSpare(superblock)) array.spares += 1;
    array.paths.push(path);
    this.#gathered.set(key, array);
  }

  finish(): void {
    const verbose = this.#session.isVerbose;
    for (const array of [...this.#gathered.values()].toReversed())
      this.#session.print(examineBriefText(array, verbose));
  }

  /** In the brief form, and in a scan, what is no member is passed over. */
  nothingOn(path: string, metadata: MetadataChoice | null): number {
    if (this.#isBrief) return 0;
    this.#session.warn(`No md superblock detected on ${path}.`);
    // That it has none of a certain format is an answer.
    return metadata === null ? 1 : 0;
  }
}

async function examineOne(
  session: Session,
  examination: Examination,
  path: string,
  metadata: MetadataChoice | null,
): Promise<number> {
  try {
    const one = await examined(session, path, metadata);
    if (one === null) return examination.nothingOn(path, metadata);
    examination.show(one);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    if (session.common.scan) return 0;
    return session.refuse(1, `cannot open ${path}: ${openFailure(thrown)}`);
  }
}

export async function runExamine(
  session: Session,
  command: MiscCommand,
  paths: readonly string[],
): Promise<number> {
  refuseForeign(command.metadata);
  const isScan = paths.length === 0;
  const all = isScan ? await devicesToScan(session) : paths;
  const examination = new Examination(session);
  let code = 0;
  for (const path of all) code |= await examineOne(session, examination, path, command.metadata);
  examination.finish();
  return isScan ? 0 : code;
}
