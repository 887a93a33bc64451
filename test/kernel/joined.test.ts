/**
 * Devices that joined a running array, new or back again, filled by Holdfast or still to be filled: the kernel must take them for members,
 * finish what is not done, read the same bytes, and find no mismatch.
 *
 * `HOLDFAST_SEED=N npx vitest run test/kernel/joined.test.ts` replays a run.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeSparse } from "../../scripts/sparse.mjs";
import { writeSectors } from "../../src/block/promises.ts";
import type { CreateRequest } from "../../src/md/create/request.ts";
import { sha256 } from "../support/golden.ts";
import { LEVELS, ManagedWorld } from "../support/managed-world.ts";
import type { FailingDisk } from "../support/managed-world.ts";
import { peerDescribe } from "../support/peers.ts";
import { seedOfRun } from "../support/seed.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode, runJobs } from "./slices.ts";
import type { DoneJob } from "./slices.ts";

const SEED = seedOfRun();
const SLOT = 1;
const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };

type How = "new, filled" | "new, to be filled" | "back by bitmap" | "back, to be filled";

interface Case {
  readonly name: string;
  readonly level: string;
  readonly how: How;
  readonly request: Partial<CreateRequest>;
}

const HOWS: readonly How[] = [
  "new, filled",
  "new, to be filled",
  "back by bitmap",
  "back, to be filled",
];
const VERSIONS = ["1.2", "1.0", "1.1", "0.90"] as const;

/** Every level in every way, and every version in every way. */
const CASES: readonly Case[] = LEVELS.flatMap(({ name: level }, at) =>
  HOWS.map((how, index): Case => {
    const version = VERSIONS[(at + index) % 4]!;
    const isBack = how.startsWith("back");
    const bitmap = isBack || at % 2 === 0 ? BITMAP : null;
    return { name: `join${at}-${index}`, level, how, request: { version, bitmap } };
  }),
);

interface Made {
  readonly images: readonly string[];
  readonly content: Uint8Array;
}

async function make({ name, level, how, request }: Case, folder: string): Promise<Made> {
  const world = new ManagedWorld(SEED);
  const shape = LEVELS.find((one) => one.name === level)!;
  await world.create(shape, request);
  await world.fill();
  // Then its bitmap is clean.
  await world.close();
  await world.run();
  const left = await world.leave(SLOT);
  const { managed, time } = world;
  await time.until(writeSectors(managed.array, 1000, new Uint8Array(512 * 300).fill(0x42)));
  const content = await world.content();
  if (how.endsWith("to be filled")) await time.until(managed.sync.setAction("frozen"));
  let joining: FailingDisk = left;
  if (how.startsWith("back")) await world.comeBack(left, await world.judged(left));
  else {
    joining = world.emptyDisk(left.disk.sectors, "new");
    await world.addNew(joining);
  }
  expect(managed.array.degraded).toBe(how.endsWith("to be filled") ? 1 : 0);
  await world.close();
  const disks = [...world.disks.filter((one) => one !== left), joining];
  const images = disks.map(({ disk }, at) => {
    const path = join(folder, `${name}-${at}.img`);
    writeSparse(path, disk.bytes);
    return path;
  });
  return { images, content };
}

function scriptOf({ name }: Case, disks: number): string {
  const nodes = Array.from({ length: disks }, (_unused, disk) => diskNode(name, disk)).join(" ");
  return [
    `mdadm -A --run /dev/md0 ${nodes}`,
    `look /dev/md0 ${name}`,
    "echo idle >/sys/block/md0/md/sync_action",
    "md_wait md0",
    `echo "degraded $(md_value md0 degraded)"`,
    "echo check >/sys/block/md0/md/sync_action",
    "md_wait md0",
    `echo "mismatches $(md_value md0 mismatch_cnt)"`,
    `look /dev/md0 ${name}-after`,
    "md_stop md0",
  ].join("\n");
}

peerDescribe(GUEST_PROGRAMS, `devices that joined, seed ${SEED}`, () => {
  let folder = "";
  const made = new Map<string, Made>();
  let done: readonly DoneJob[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-joined-"));
    for (const one of CASES) made.set(one.name, await make(one, folder));
    const jobs = CASES.map((one) => {
      const { images } = made.get(one.name)!;
      return {
        name: one.name,
        diskSectors: images.map(() => 4 * 2048),
        from: images,
        script: scriptOf(one, images.length),
      };
    });
    const guest = join(folder, "guest");
    mkdirSync(guest);
    done = await runJobs(jobs, [], guest);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(
    CASES.map((one) => {
      const { level, how, request } = one;
      const text = `${level}, ${request.version}${request.bitmap === null ? "" : ", bitmap"}: ${how}`;
      return [text, one] as const;
    }),
  )("%s", (_text, one) => {
    const job = done.find(({ name }) => name === one.name);
    expect(job?.passed, job?.log).toBe(true);
    const { content } = made.get(one.name)!;
    const wanted = { bytes: content.length, sha256: sha256(content) };
    expect(job?.look(one.name), job?.log).toEqual(wanted);
    expect(job?.look(`${one.name}-after`), job?.log).toEqual(wanted);
    expect(job?.log).toContain("degraded 0");
    expect(job?.log).toContain("mismatches 0");
  });
});
