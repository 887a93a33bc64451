/**
 * A mirror, as lvm keeps one: when a leg has failed its table becomes that of the one leg that has everything, and later a mirror again, with a log that
 * knows nothing.
 */
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import { DM_LOG_BITS_OFFSET, decodeDmLog } from "../../formats/dm-log.ts";
import type { SuspendKind } from "../../dm/target.ts";
import { SimDisk } from "../disk.ts";
import type { Medium } from "../medium.ts";
import type { Mutant } from "../mutant.ts";
import { Oracle } from "../oracle.ts";
import type { World } from "../world.ts";
import { MappedMachine } from "./machine.ts";
import { Setup } from "./setup.ts";
import type { Administration, NamedTable } from "./setup.ts";
import type { MirrorStack } from "./stack.ts";
import { Volume } from "./volume.ts";

const NAME = "v";
const LEG_OFFSET = 8;
const LOG_SECTORS = 8;

type Form = "mirror" | "linear";

interface MirrorStatus {
  readonly isSynced: boolean;
  /** One character a leg. */
  readonly chars: string;
  readonly isLogWell: boolean;
}

export class MirrorSetup extends Setup {
  override readonly sharesBuffers: boolean;
  readonly #stack: MirrorStack;
  /** Their disks, in the order of the table; the first has everything if there is no log yet. */
  #legs: readonly number[];
  #form: Form = "mirror";
  /** The log knows of a mirror that is no more. */
  #isLogStale = false;

  constructor(world: World, stack: MirrorStack, mutant: Mutant | null) {
    const legs = Array.from({ length: stack.legs }, (_unused, leg) => leg);
    const disks = legs.map((leg) => new SimDisk(world, `leg${leg}`, stack.sectors + LEG_OFFSET));
    if (stack.log === "disk") disks.push(new SimDisk(world, "log", LOG_SECTORS));
    super(new MappedMachine(world, disks, mutant));
    this.#stack = stack;
    this.sharesBuffers = stack.sharesBuffers;
    this.#legs = legs;
    this.volumes.push(
      new Volume(this.machine, NAME, new Oracle(stack.sectors), stack.sharesBuffers),
    );
  }

  tables(): readonly NamedTable[] {
    return [[NAME, this.#table(this.#form, this.#legs)]];
  }

  #table(form: Form, legs: readonly number[]): string {
    const { sectors, log, regionSectors, features } = this.#stack;
    if (form === "linear") return `0 ${sectors} linear /leg${legs[0]} ${LEG_OFFSET}`;
    const logWords = log === "core" ? `core 1 ${regionSectors}` : `disk 2 /log ${regionSectors}`;
    const places = legs.map((leg) => `/leg${leg} ${LEG_OFFSET}`).join(" ");
    const words = features === "" ? "" : ` ${features.split(" ").length} ${features}`;
    return `0 ${sectors} mirror ${logWords} ${legs.length} ${places}${words}`;
  }

  /** Law 2: where the log says that a region is clean all legs hold the same. */
  judge(): Promise<string[]> {
    this.#forgetLog();
    return Promise.resolve(this.#form === "mirror" ? this.#judgeLog() : []);
  }

  #forgetLog(): void {
    if (!this.#isLogStale || this.#stack.log === "core") return;
    const log = this.machine.disks.at(-1)!;
    log.put(0, new Uint8Array(LOG_SECTORS * SECTOR_BYTES));
    this.#isLogStale = false;
  }

  #judgeLog(): string[] {
    const { regionSectors, sectors, log } = this.#stack;
    if (log === "core") return [];
    const image = this.machine.disks.at(-1)!.image();
    if (decodeDmLog(image).kind !== "ok") return [];
    const wrong: string[] = [];
    for (let region = 0; region < sectors / regionSectors; region += 1) {
      const isClean = (image[DM_LOG_BITS_OFFSET + (region >> 3)]! >> (region & 7)) & 1;
      const at = isClean ? this.#differs(region * regionSectors, regionSectors) : null;
      if (at !== null) wrong.push(`sector ${at} differs between legs, and its region is clean`);
    }
    return wrong;
  }

  /** The first sector that is not the same on all legs. */
  #differs(sector: number, sectors: number): number | null {
    const [first, ...others] = this.#legs.map((leg) => this.machine.disks[leg]!.content);
    for (let at = sector; at < sector + sectors; at += 1)
      if (!others.every((other) => isSame(first!, other, LEG_OFFSET + at))) return at;
    return null;
  }

  async #status(): Promise<MirrorStatus> {
    const words = await this.machine.status(NAME);
    const legs = Number(words[0]);
    const [synced, regions] = words[legs + 1]!.split("/");
    const log = words.at(-1)!;
    return {
      isSynced: synced === regions,
      chars: words[legs + 3]!,
      isLogWell: log === "core" || log === "A",
    };
  }

  async #isWhole(): Promise<boolean> {
    if (this.#form === "linear") return true;
    const { isSynced, chars, isLogWell } = await this.#status();
    return isSynced && isLogWell && /^A+$/.test(chars) && !this.#isCutOff;
  }

  /** Known when its turn comes: whether each other leg has everything. */
  #wasWhole = false;

  override async look(): Promise<void> {
    this.#wasWhole = this.machine.changes === 0 && (await this.#isWhole());
  }

  override mayAil(disk: SimDisk): boolean {
    const { disks } = this.machine;
    const index = disks.indexOf(disk);
    if (this.machine.changes > 0) return false;
    const isLeg = index < this.#stack.legs;
    if (disks.some(({ health }) => health === "gone" || health === "hung")) return false;
    if (this.#form === "linear") return isLeg && index !== this.#legs[0];
    return this.#wasWhole;
  }

  /** Of some disk, whether the mirror has noticed or not. */
  get #isCutOff(): boolean {
    return this.machine.disks.some((disk) => this.machine.isCutOff(disk));
  }

  get #isWell(): boolean {
    return this.machine.disks.every(({ health }) => health === "well");
  }

  /** A core log does not know who has missed something. */
  override async mayReload(): Promise<boolean> {
    if (this.#form === "linear" || this.#isWell)
      return this.#stack.log === "disk" || this.#isWhole();
    // Nobody has noticed yet that a disk does not answer.
    return this.#stack.log === "disk" && /[^A]/.test((await this.#status()).chars);
  }

  /** Held writes end when the failed leg is out of the table. */
  override async mayClose(): Promise<boolean> {
    const { log, features } = this.#stack;
    if (!this.#isWell) return false;
    return (log === "disk" && features !== "handle_errors") || this.#isWhole();
  }

  override async administer({ do: what }: Administration): Promise<void> {
    const isWhole = await this.#isWhole();
    if (this.#form === "linear") await this.#becomeMirror();
    else if (what === "convert" && isWhole && this.#isWell)
      await this.#becomeLinear(this.#legs[0]!, "flush");
    else if (what === "repair" && !isWhole) await this.#dropFailed();
  }

  async #dropFailed(): Promise<void> {
    const { chars, isLogWell } = await this.#status();
    const { disks } = this.machine;
    const survivor = this.#legs.find(
      (leg, index) =>
        chars[index] === "A" &&
        disks[leg]!.health === "well" &&
        !this.machine.isCutOff(disks[leg]!),
    );
    const hasFailed = /[DFSU]/.test(chars) || !isLogWell || this.#isCutOff;
    if (survivor !== undefined && hasFailed) await this.#becomeLinear(survivor, "noflush");
  }

  async #becomeLinear(leg: number, kind: SuspendKind): Promise<void> {
    await this.#become("linear", [leg, ...this.#legs.filter((each) => each !== leg)], kind);
    this.#forgetLog();
  }

  async #becomeMirror(): Promise<void> {
    if (this.#isWell) await this.#become("mirror", this.#legs, "flush");
  }

  async #become(form: Form, legs: readonly number[], kind: SuspendKind): Promise<void> {
    const { machine } = this;
    await machine.load(NAME, this.#table(form, legs));
    await machine.suspended(NAME, kind, this.alone, () => {
      // After a crash from now on it is this table that counts.
      machine.world.say(`${NAME} becomes ${form}`);
      this.#form = form;
      this.#legs = legs;
      this.#isLogStale ||= form === "linear";
      return Promise.resolve();
    });
  }

  /** Who closes the mirror waits for held writes, and they for a table without the leg. */
  override async release(): Promise<void> {
    if (!this.volumes.some(({ isClosing }) => isClosing)) return;
    const { world } = this.machine;
    // It may be closed, and gone, before the repair has begun.
    const repair = this.administer({ do: "repair" }).catch((error: unknown) => {
      if (!(error instanceof HoldfastError)) throw error;
      world.say(`refused: ${error.message}`);
    });
    await world.until("repair", repair);
  }

  async settle(): Promise<void> {
    const { world } = this.machine;
    if (!(await world.until("status", this.#isWhole())))
      await this.until("recovery", () => this.#isSynced());
    for (let again = 0; again < 4 && !(await this.#isMended()); again += 1) {
      await world.until("repair", this.#inTurn({ do: "repair" }));
      await this.until("recovery", () => this.#isSynced());
    }
  }

  #inTurn(action: Administration): Promise<void> {
    this.machine.inBackground(() => this.administer(action));
    return Promise.all(this.machine.errands).then(() => {});
  }

  /** As far as it goes with the legs there are. */
  async #isSynced(): Promise<boolean> {
    if (this.#form === "linear") return true;
    const { isSynced, chars, isLogWell } = await this.#status();
    return isSynced || !isLogWell || !/^A+$/.test(chars) || this.#isCutOff;
  }

  async #isMended(): Promise<boolean> {
    return this.#form === "mirror" && (await this.machine.world.until("status", this.#isWhole()));
  }

  atRest(): Promise<string[]> {
    if (this.#form === "linear") return Promise.resolve(["the mirror is none any more"]);
    const at = this.#differs(0, this.#stack.sectors);
    return Promise.resolve(at === null ? [] : [`at rest sector ${at} differs between legs`]);
  }
}

function isSame(one: Medium, other: Medium, sector: number): boolean {
  const [a, b] = [one.sectorAt(sector), other.sectorAt(sector)];
  if (a === b) return true;
  const zeros = new Uint8Array(SECTOR_BYTES);
  return Buffer.compare(a ?? zeros, b ?? zeros) === 0;
}
