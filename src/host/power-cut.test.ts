/**
 * The power fails at any moment while superblocks are written outside a running array; a new host then finds the old state or the new one, starts
 * it without force, and every byte is there.
 *
 * `HOLDFAST_SEED=N npx vitest run src/host/power-cut.test.ts` replays a run.
 */
import { describe, expect, it } from "vitest";
import { CutHost } from "../../test/support/cut-host.ts";
import { seedOfRun } from "../../test/support/seed.ts";
import { Prng } from "../base/prng.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { AssembleCall, CreateCall, GrowCall } from "./array-host.ts";

const SEED = seedOfRun();
const CUTS = 12;
const DISK_SECTORS = 1536;
const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };

interface Case {
  readonly name: string;
  readonly disks: number;
  readonly create: Partial<CreateCall>;
  readonly diskSectors?: number;
  /** Disks that are not in it at first. */
  readonly others?: number;
  readonly before?: (host: CutHost) => Promise<unknown>;
  readonly work: (host: CutHost) => Promise<unknown>;
  /** It is done at assembly, by an array that is stopped. */
  readonly isUpdate?: boolean;
  /** What is wished for when it is started after a cut. */
  readonly again?: Partial<AssembleCall>;
  /** There is another state between the old and the new one: what it says in place of what the old one says. */
  readonly between?: readonly [string, string];
}

const LEVELS: readonly [string, number, Partial<CreateCall>][] = [
  ["raid1", 2, { level: "raid1" }],
  ["raid5", 4, { level: "raid5", chunkSectors: 16 }],
  ["raid10", 4, { level: "raid10", chunkSectors: 16 }],
];
const VERSIONS = ["0.90", "1.0", "1.2"] as const;

const grow = (call: GrowCall) => (host: CutHost) => host.host.grow(call);

function growCases(name: string, disks: number, create: Partial<CreateCall>): Case[] {
  const array = "md0";
  const plain = { disks, create };
  const small = { ...plain, create: { ...create, componentSectors: 256 } };
  const withBitmap = { ...plain, create: { ...create, bitmap: BITMAP } };
  return [
    {
      ...plain,
      name: `${name}: a bitmap is added`,
      work: grow({ kind: "bitmap", array, bitmap: BITMAP }),
    },
    {
      ...withBitmap,
      name: `${name}: a bitmap is taken away`,
      work: grow({ kind: "bitmap", array, bitmap: null }),
    },
    {
      ...small,
      name: `${name}: members grow`,
      work: grow({ kind: "size", array, componentSectors: "max" }),
    },
    {
      ...small,
      create: { ...small.create, bitmap: BITMAP },
      name: `${name}: members grow, and their bitmap`,
      work: grow({ kind: "size", array, componentSectors: 384 }),
      // Without its bitmap in between.
      between: [`"bitmap":true`, `"bitmap":false`],
    },
    {
      ...plain,
      name: `${name}: members shrink`,
      work: grow({ kind: "size", array, componentSectors: 128 }),
    },
  ];
}

function updateCases(name: string, disks: number, create: Partial<CreateCall>): Case[] {
  const is090 = create.version === "0.90";
  const words: AssembleCall["update"][] = [
    { kind: "uuid", value: "00112233445566778899aabbccddeeff" },
    { kind: "homehost", value: "other" },
    { kind: "resync" },
    { kind: "no-bitmap" },
    ...(is090
      ? ([{ kind: "super-minor" }, { kind: "summaries" }] as const)
      : ([
          { kind: "name", value: "x" },
          { kind: "no-bbl" },
          { kind: "devicesize" },
          { kind: "writemostly" },
        ] as const)),
  ];
  return words.map((update) => ({
    name: `${name}: --update=${update!.kind}`,
    disks,
    create: { ...create, bitmap: BITMAP },
    isUpdate: true,
    work: (host) => host.host.assemble({ ...WISHES, devices: host.paths, update }),
    again: { update },
  }));
}

/** A partial parity log comes and goes, while the array runs and before it is started. */
function pplCases(version: "1.0" | "1.2"): Case[] {
  const without = { level: "raid5", chunkSectors: 16, componentSectors: 512, version } as const;
  const withLog = { ...without, consistencyPolicy: "ppl", dataOffsetSectors: null } as const;
  const array = "md0";
  const kind = "consistency-policy";
  const update = (word: "ppl" | "no-ppl") => ({
    isUpdate: true,
    work: (host: CutHost) =>
      host.host.assemble({ ...WISHES, devices: host.paths, update: { kind: word } }),
    again: { update: { kind: word } },
  });
  return [
    {
      name: `raid5, ${version}: its policy becomes ppl`,
      disks: 4,
      create: without,
      work: grow({ kind, array, policy: "ppl" }),
    },
    {
      name: `raid5, ${version}: its policy becomes resync`,
      disks: 4,
      diskSectors: 8192,
      create: withLog,
      work: grow({ kind, array, policy: "resync" }),
    },
    { name: `raid5, ${version}: --update=ppl`, disks: 4, create: without, ...update("ppl") },
    {
      name: `raid5, ${version}: --update=no-ppl`,
      disks: 4,
      diskSectors: 8192,
      create: withLog,
      ...update("no-ppl"),
    },
  ];
}

const WISHES: AssembleCall = {
  names: { kernelName: null, path: "/dev/md0" },
  devices: [],
  mode: "read-write",
  force: false,
  run: false,
  noDegraded: false,
  update: null,
};

const CASES: readonly Case[] = [
  ...VERSIONS.flatMap((version, turn) =>
    LEVELS.flatMap(([level, disks, create], at) => {
      const name = `${level}, ${version}`;
      const all = { ...create, version };
      const each = [...growCases(name, disks, all), ...updateCases(name, disks, all)];
      // A third of them in a run; the seed says which.
      return each.filter((_one, index) => (SEED + turn + at + index) % 3 === 0);
    }),
  ),
  ...pplCases(SEED % 2 === 0 ? "1.0" : "1.2"),
  ...VERSIONS.map((version): Case => ({
    name: `linear, ${version}: one more at its end`,
    disks: 2,
    others: 1,
    create: { level: "linear", version },
    work: grow({ kind: "add-linear", array: "md0", device: "/disks/d2" }),
  })),
  ...VERSIONS.flatMap((version): Case[] => {
    const mirror = { level: "raid1", version, bitmap: BITMAP } as const;
    const device = "/disks/d1";
    const how = { array: "md0", as: "member", writeMostly: null, failFast: null, update: null };
    const add = (host: CutHost) => host.host.add({ ...how, as: "member", device: "/disks/d2" });
    const fail = (host: CutHost) => host.host.fail({ array: "md0", device });
    const remove = (host: CutHost) => host.host.remove({ array: "md0", device });
    return [
      {
        name: `raid1, ${version}: one more mirror`,
        disks: 3,
        create: { ...mirror, bitmap: null, spareDisks: 1, raidDisks: 2 },
        work: grow({ kind: "raid-disks", array: "md0", raidDisks: 3 }),
      },
      {
        name: `raid1, ${version}: one mirror less`,
        disks: 3,
        create: { ...mirror, bitmap: null },
        before: async (host) => {
          await host.do(host.host.fail({ array: "md0", device: "/disks/d0" }));
          await host.do(host.host.remove({ array: "md0", device: "/disks/d0" }));
        },
        work: grow({ kind: "raid-disks", array: "md0", raidDisks: 2 }),
        // Its members are known by their slots, and those are being changed: half of them may have to do.
        ...(version === "0.90" ? { again: { run: true } } : {}),
      },
      {
        name: `raid1, ${version}: a mirror less, and the faulty one is still there`,
        disks: 3,
        create: { ...mirror, bitmap: null },
        before: (host) => host.do(host.host.fail({ array: "md0", device: "/disks/d0" })),
        work: grow({ kind: "raid-disks", array: "md0", raidDisks: 2 }),
        ...(version === "0.90" ? { again: { run: true } } : {}),
      },
      { name: `raid1, ${version}: add`, disks: 2, others: 1, create: mirror, work: add },
      { name: `raid1, ${version}: fail`, disks: 3, create: mirror, work: fail },
      {
        name: `raid1, ${version}: remove`,
        disks: 3,
        create: mirror,
        before: (host) => host.do(fail(host)),
        work: remove,
      },
      {
        name: `raid1, ${version}: re-add`,
        disks: 3,
        create: mirror,
        before: async (host) => {
          await host.do(fail(host));
          await host.do(remove(host));
          await host.do(writeSectors(host.volume(), 0, stamp(1)));
        },
        work: (host) => host.host.add({ ...how, as: "re-add", device }),
      },
    ];
  }),
];

/** All that lies below every size that any of the arrays has. */
const DATA_SECTORS = 128;

function stamp(seed: number): Uint8Array {
  const bytes = new Uint8Array(DATA_SECTORS * 512);
  new Prng(seed).fill(bytes);
  return bytes;
}

function stateOf(view: ArrayView): string {
  const { raidDisks, componentKib, bitmap, uuid, name, members, consistencyPolicy } = view;
  const isWriteMostly = members.every(({ writeMostly }) => writeMostly);
  const isPpl = consistencyPolicy === "ppl";
  const has = { bitmap: bitmap !== null, isPpl };
  return JSON.stringify({ raidDisks, componentKib, ...has, uuid, name, isWriteMostly });
}

async function made(one: Case, seed: number): Promise<Uint8Array[]> {
  const count = one.disks + (one.others ?? 0);
  const host = new CutHost(
    seed,
    Array.from({ length: count }, () => new Uint8Array((one.diskSectors ?? DISK_SECTORS) * 512)),
  );
  const dataOffsetSectors = one.create.version === "1.2" ? 256 : null;
  await host.create(one.disks, {
    raidDisks: one.disks,
    dataOffsetSectors,
    force: true,
    ...one.create,
  });
  await host.do(host.host.wait("md0"));
  await host.do(writeSectors(host.volume(), 0, stamp(1)));
  await host.do(host.host.stop({ array: "md0", force: false }));
  return host.cut();
}

async function begin(one: Case, seed: number, images: readonly Uint8Array[]): Promise<CutHost> {
  const host = new CutHost(seed, images);
  if (one.isUpdate === true) return host;
  await host.assemble();
  await host.do(host.host.wait("md0"));
  await one.before?.(host);
  return host;
}

async function looked(host: CutHost): Promise<string[]> {
  const wrong: string[] = [];
  await host.do(host.host.wait("md0"));
  const bytes = await host.do(readSectors(host.volume(), 0, DATA_SECTORS));
  if (!Buffer.from(bytes).equals(stamp(1))) wrong.push("data are lost");
  if ((await host.host.array("md0")).consistencyPolicy === "none") return wrong;
  const action = { kind: "sync-action", action: "check" } as const;
  await host.do(host.host.set({ array: "md0", action }));
  await host.do(host.host.wait("md0"));
  const { mismatchSectors, lastSyncAction } = await host.host.array("md0");
  if (mismatchSectors !== 0 || lastSyncAction !== "check")
    wrong.push(`${lastSyncAction} found ${mismatchSectors}`);
  return wrong;
}

/** What is wrong after a cut; empty when nothing is. */
async function judged(one: Case, seed: number, images: readonly Uint8Array[], states: string[]) {
  const wrong: string[] = [];
  const host = new CutHost(seed, images);
  const first = await host.assemble(one.again);
  if (first.kind !== "started") return [`inactive: ${first.reason}`];
  wrong.push(...(await looked(host)));
  const state = stateOf(await host.host.array("md0"));
  if (!states.includes(state)) wrong.push(`${state} is none of\n${states.join("\n")}`);
  const next = new CutHost(seed, host.cut());
  const second = await next.assemble();
  if (second.kind !== "started") return [`inactive at last: ${second.reason}`];
  wrong.push(...(await looked(next)));
  if (stateOf(await next.host.array("md0")) !== state) wrong.push("it changes once more");
  return wrong;
}

async function campaign(one: Case): Promise<string[]> {
  const images = await made(one, SEED);
  const whole = await begin(one, SEED, images);
  const old = one.isUpdate === true ? "" : stateOf(await whole.host.array("md0"));
  whole.writing.length = 0;
  await whole.do(one.work(whole));
  const moments = [...new Set(whole.writing)];
  const states = [old, stateOf(await whole.host.array("md0"))];
  if (one.between !== undefined) states.push(old.replace(...one.between));
  const prng = new Prng(SEED);
  for (let cut = 0; cut < CUTS; cut += 1) {
    const at = prng.pick(moments);
    const host = await begin(one, SEED, images);
    const found = await host.cutAt(one.work(host), at, prng);
    const wrong = await judged(one, SEED + cut, found, states).catch((error: Error) => [
      error.message,
    ]);
    if (wrong.length > 0) return [`seed ${SEED}, cut ${cut} after ${at}`, ...wrong];
  }
  return [];
}

describe(`the power fails, seed ${SEED}`, () => {
  it.each(CASES.map((one) => [one.name, one] as const))("%s", async (_name, one) => {
    expect(await campaign(one)).toEqual([]);
  });
});
