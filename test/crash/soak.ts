/**
 * Arrays of all redundant levels in one daemon, written to and verified by fio while members fail, leave, and come back or are replaced by new
 * ones. Members come and go when fio has gone on for a while; how long, and who, comes from a seed.
 */
import { join } from "node:path";
import type { ApiClient } from "../../src/api/client.ts";
import { Prng } from "../../src/base/prng.ts";
import { launchHoldfastd } from "../support/holdfastd.ts";
import { emptyDisk } from "../support/temp.ts";
import { runFio } from "./fio.ts";
import type { FioFigures, FioPass } from "./fio.ts";
import { createCall, SHAPES } from "./shapes.ts";
import type { CrashShape } from "./shapes.ts";

const IMAGE_BYTES = 12 * 1024 * 1024;
const COMPONENT_SECTORS = 16 * 1024;
/** Between what is done to members: reports of fio, four a second. */
const MOST_TICKS = 16;

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Empty, for images and state. */
  readonly folder: string;
  readonly shapes?: readonly CrashShape[];
  readonly log: (line: string) => void;
}

export interface SoakReport {
  minutes: number;
  passes: number;
  writtenBytes: number;
  verifiedBytes: number;
  /** Members that were failed, that came back with what they had, that joined as new ones. */
  failures: number;
  returns: number;
  newMembers: number;
  /** From a member's joining until it was in sync, all together. */
  recoverySeconds: number;
}

class SoakedArray {
  readonly #shape: CrashShape;
  readonly #api: ApiClient;
  readonly #prng: Prng;
  readonly #report: SoakReport;
  readonly #images: readonly string[];
  readonly #journal: string | null;
  readonly #uri: string;
  #isOver = false;
  #ticksLeft = 0;
  #ticked: () => void = () => {};

  constructor(shape: CrashShape, api: ApiClient, options: SoakOptions, report: SoakReport) {
    this.#shape = shape;
    this.#api = api;
    this.#prng = new Prng(options.seed + 104_729 * (SHAPES.indexOf(shape) + 1));
    this.#report = report;
    const image = (name: string): string =>
      emptyDisk(join(options.folder, `${shape.name}-${name}.img`), IMAGE_BYTES);
    this.#images = Array.from({ length: shape.disks }, (_unused, at) => image(String(at)));
    this.#journal = shape.hasJournal ? image("journal") : null;
    this.#uri = `nbd+unix:///${shape.name}?socket=${options.folder}/state/nbd.sock`;
  }

  get #path(): string {
    return `/dev/${this.#shape.name}`;
  }

  async soak(minutes: number): Promise<void> {
    const paths = { members: this.#images, journal: this.#journal };
    await this.#api.create(createCall(this.#shape, paths, { componentSectors: COMPONENT_SECTORS }));
    await this.#api.wait(this.#path);
    const changing = this.#changeMembers();
    // Told by fio or by the end below; whoever fails first ends it all.
    const [last] = await Promise.all([
      this.#passes(performance.now() + minutes * 60_000),
      changing,
    ]);
    await this.#lookAtLast(last);
  }

  /** @returns the last one */
  async #passes(endMs: number): Promise<FioPass> {
    let pass: FioPass;
    try {
      do {
        pass = {
          uri: this.#uri,
          seed: this.#prng.u32() >>> 1,
          blockKib: this.#prng.pick([4, 4, 8, 16, 64]),
          verifyOnly: false,
          tick: () => this.#tick(),
        };
        this.#count(await runFio(pass));
      } while (performance.now() < endMs);
    } finally {
      this.#isOver = true;
      this.#ticked();
    }
    return pass;
  }

  #count({ writtenBytes, verifiedBytes }: FioFigures): void {
    this.#report.passes += 1;
    this.#report.writtenBytes += writtenBytes;
    this.#report.verifiedBytes += verifiedBytes;
  }

  #tick(): void {
    this.#ticksLeft -= 1;
    if (this.#ticksLeft <= 0) this.#ticked();
  }

  /** fio goes on for a while. */
  #aWhile(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#ticksLeft = this.#prng.between(1, MOST_TICKS);
    return new Promise((resolve) => (this.#ticked = resolve));
  }

  async #changeMembers(): Promise<void> {
    while (!this.#isOver) {
      await this.#aWhile();
      const gone = this.#prng
        .shuffle(this.#images)
        .slice(0, this.#prng.between(1, this.#shape.bearable));
      for (const device of gone) {
        await this.#api.fail({ array: this.#path, device });
        this.#report.failures += 1;
        await this.#aWhile();
      }
      for (const device of gone) await this.#comeBack(device);
    }
  }

  async #comeBack(device: string): Promise<void> {
    const array = this.#path;
    await this.#api.remove({ array, device });
    await this.#aWhile();
    if (this.#prng.chance(0.3)) await this.#api.zeroSuperblock({ device, force: false });
    const startMs = performance.now();
    const how = { writeMostly: null, failFast: null, update: null };
    const { kind } = await this.#api.add({ array, device, as: "member", ...how });
    if (kind === "re-added") this.#report.returns += 1;
    else this.#report.newMembers += 1;
    // Sometimes the next one fails before this one is there again.
    if (this.#shape.bearable > 1 && this.#prng.chance(0.3)) return;
    await this.#api.wait(array);
    this.#report.recoverySeconds += (performance.now() - startMs) / 1000;
  }

  /** All are back and alike, and what was written last is there. */
  async #lookAtLast(last: FioPass): Promise<void> {
    const array = this.#path;
    await this.#api.wait(array);
    await this.#api.set({ array, action: { kind: "sync-action", action: "check" } });
    await this.#api.wait(array);
    const { degraded, lastSyncAction, mismatchSectors } = await this.#api.array(array);
    if (degraded > 0 || lastSyncAction !== "check" || mismatchSectors > 0)
      throw new Error(
        `${this.#shape.title}: degraded ${degraded}, last ${lastSyncAction}, mismatches ${mismatchSectors}`,
      );
    this.#count(await runFio({ ...last, verifyOnly: true }));
  }
}

/** Rejects when anything is lost. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { folder, minutes, log, shapes = SHAPES } = options;
  const report: SoakReport = {
    minutes: 0,
    passes: 0,
    writtenBytes: 0,
    verifiedBytes: 0,
    failures: 0,
    returns: 0,
    newMembers: 0,
    recoverySeconds: 0,
  };
  const startMs = performance.now();
  const daemon = await launchHoldfastd(["--state", join(folder, "state")]);
  try {
    const api = await daemon.client();
    const arrays = shapes.map((shape) => new SoakedArray(shape, api, options, report));
    await Promise.all(
      arrays.map(async (array, at) => {
        await array.soak(minutes);
        log(`${shapes[at]!.title}: nothing lost`);
      }),
    );
  } finally {
    const { stderr } = await daemon.end("SIGTERM");
    if (stderr !== "") log(stderr);
  }
  report.minutes = (performance.now() - startMs) / 60_000;
  return report;
}
