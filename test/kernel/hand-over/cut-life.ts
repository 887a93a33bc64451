/** Holdfast goes on with background sync on disks with volatile caches, until their power fails. */
import type { Prng } from "../../../src/base/prng.ts";
import { ignore } from "../../../src/base/nothing.ts";
import { writeSectors } from "../../../src/block/promises.ts";
import type { RunningArray } from "../../../src/md/running/array.ts";
import type { ManagedArray } from "../../../src/md/running/managed-array.ts";
import type { SyncControl } from "../../../src/md/running/sync-control.ts";
import { ArrayDevice } from "../../support/array-device.ts";
import { randomBytes } from "../../support/bytes.ts";
import { CutDisks } from "../../support/cut-disks.ts";
import { VirtualTime } from "../../support/virtual-time.ts";
import { runDisks, writeScattered } from "../../support/written-array.ts";
import { heldNextAt, mayBeWrittenTo } from "./plan.ts";
import type { Subject } from "./plan.ts";

/** More than the requests of background sync from one hold to the next, their checkpoints included. */
const LAST_TURNS = 150;

export interface CutOff {
  readonly disks: readonly ArrayDevice[];
  /** Written and not acknowledged, by sector of the array. */
  readonly underWay: ReadonlyMap<number, Uint8Array>;
  /** How far background sync was recorded to have come, sectors. */
  readonly completed: number;
}

/** Requests end one by one, by chance; time goes on when there are none. */
class CutLife {
  readonly time = new VirtualTime();
  readonly disks: CutDisks;

  constructor(disks: CutDisks) {
    this.disks = disks;
  }

  async turn(): Promise<void> {
    if (!this.disks.step()) this.time.next();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    while (!isSettled) await this.turn();
    return promise;
  }

  async untilTrue(isSo: () => boolean, what: string): Promise<void> {
    for (let turn = 0; turn < 100_000; turn += 1) {
      if (isSo()) return;
      await this.turn();
    }
    throw new Error(`it never came to ${what}`);
  }
}

/** Some writes that nobody waits for. @returns what they write, by sector of the array */
export function writeUnawaited(prng: Prng, array: RunningArray): Map<number, Uint8Array> {
  const underWay = new Map<number, Uint8Array>();
  for (let part = 0; part < 3; part += 1) {
    const at = Math.floor((array.sectors * part) / 3) + prng.below(500);
    const data = randomBytes(prng, prng.between(1, 80) * 512);
    void writeSectors(array, at, data).catch(ignore);
    for (let i = 0; i < data.length / 512; i += 1)
      underWay.set(at + i, data.subarray(i * 512, (i + 1) * 512));
  }
  return underWay;
}

function completedOf({ state }: SyncControl): number {
  return state.kind === "running" ? state.completed : 0;
}

/** It holds where it was held, is written to, and is clean; then it goes on. */
async function goOn(
  prng: Prng,
  subject: Subject,
  life: CutLife,
  { array, sync }: ManagedArray,
): Promise<Map<number, Uint8Array>> {
  const { heldAt } = subject;
  const isWrittenTo = mayBeWrittenTo(subject) && prng.chance(0.5);
  const isQuiet = (): boolean => completedOf(sync) >= heldAt && array.state === "clean";
  await life.untilTrue(isQuiet, "rest");
  const underWay = isWrittenTo ? writeUnawaited(prng, array) : new Map<number, Uint8Array>();
  sync.settings.setMax(heldNextAt(subject));
  await life.untilTrue(() => completedOf(sync) > heldAt, "a checkpoint");
  for (let left = prng.below(LAST_TURNS); left > 0; left -= 1) await life.turn();
  return underWay;
}

/** @param content is brought up to date with what was flushed */
export async function goOnUntilCut(
  prng: Prng,
  subject: Subject,
  stopped: readonly ArrayDevice[],
  content: Uint8Array,
  writes: number,
): Promise<CutOff> {
  const images = stopped.map(({ bytes }) => bytes);
  const life = new CutLife(new CutDisks(prng, images));
  const managed = await life.until(runDisks(life.disks.disks, life.time));
  managed.sync.settings.setMax(subject.heldAt);
  await life.until(writeScattered(prng, managed.array, content, writes));
  const underWay = await goOn(prng, subject, life, managed);
  const completed = completedOf(managed.sync);
  const disks = life.disks.cut().map((bytes, i) => inMemory(bytes, `d${i}`));
  return { disks, underWay, completed };
}

export function inMemory(bytes: Uint8Array, name: string): ArrayDevice {
  const device = new ArrayDevice(bytes.length / 512, {}, name);
  device.bytes.set(bytes);
  return device;
}
