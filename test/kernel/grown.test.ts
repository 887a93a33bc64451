/**
 * Arrays that were changed while they ran: the kernel must start what the new superblocks say, and read what was written since.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { readSectors, writeSectors } from "../../src/block/promises.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import type { CreateCall, GrowCall } from "../../src/host/array-host.ts";
import { sha256 } from "../support/golden.ts";
import { HostWorld } from "../support/host-world.ts";
import { peerDescribe } from "../support/peers.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";
import { diskNode, runJobs, saveImages } from "./slices.ts";
import type { DoneJob, Job } from "./slices.ts";

const BITMAP = { chunkSectors: 128, delaySeconds: 5, writeBehind: 0 };
const VERSIONS = ["0.90", "1.0", "1.2"] as const;

const SAY_POLICY = 'echo "policy $(cat /sys/block/md0/md/consistency_policy)"';

interface Case {
  readonly name: string;
  readonly create: Partial<CreateCall>;
  readonly disks: number;
  readonly call: (more: string) => GrowCall;
  readonly members: number;
  readonly policy?: "ppl" | "resync";
  /** The process ends amid its writes; otherwise it is stopped in order. */
  readonly isCutOff?: boolean;
}

const RAID5 = { level: "raid5", chunkSectors: 128, componentSectors: 8192 } as const;

const SHAPE_CASES: readonly Case[] = VERSIONS.flatMap((version, at): Case[] => [
  {
    name: `linear${at}`,
    create: { level: "linear", version },
    disks: 2,
    call: (device) => ({ kind: "add-linear", array: "md0", device }),
    members: 3,
  },
  {
    name: `size${at}`,
    create: { level: "raid5", version, chunkSectors: 128, componentSectors: 4096, bitmap: BITMAP },
    disks: 3,
    call: () => ({ kind: "size", array: "md0", componentSectors: 8192 }),
    members: 3,
  },
]);

const POLICY_CASES: readonly Case[] = (["1.0", "1.1", "1.2"] as const).flatMap((version, at) => {
  const call = (policy: "ppl" | "resync") => (): GrowCall => ({
    kind: "consistency-policy",
    array: "md0",
    policy,
  });
  const create = { ...RAID5, version };
  const withLog = { ...create, consistencyPolicy: "ppl" } as const;
  const plain = { disks: 3, members: 3 };
  return [
    { ...plain, name: `ppl${at}`, create, call: call("ppl"), policy: "ppl" },
    { ...plain, name: `cutppl${at}`, create, call: call("ppl"), policy: "ppl", isCutOff: true },
    { ...plain, name: `noppl${at}`, create: withLog, call: call("resync"), policy: "resync" },
  ];
});

const CASES = [...SHAPE_CASES, ...POLICY_CASES];

function isChecked({ create }: Case): boolean {
  return create.level === "raid5";
}

/** Nobody can tell whose writes under way the disks have: what is written then is what stands there. */
async function writeAmid(world: HostWorld, volume: BlockDevice, content: Uint8Array) {
  for (let sector = 8; sector < volume.sectors; sector += 1000) {
    const at = sector * 512;
    void writeSectors(volume, sector, content.subarray(at, at + 4096));
  }
  await world.idle(0);
  world.crash();
}

async function make(one: Case, folder: string): Promise<{ job: Job; content: Uint8Array }> {
  const world = new HostWorld();
  const paths = world.addDisks(one.disks);
  await world.create(paths, one.create);
  await world.quiet();
  const volume = world.volume();
  const [more] = world.addDisks(1);
  await world.do(world.host.grow(one.call(more!)));
  const content = new Uint8Array(volume.sectors * 512);
  new Prng(1).fill(content);
  await world.do(writeSectors(volume, 0, content));
  await world.quiet();
  const there = await world.do(readSectors(volume, 0, volume.sectors));
  expect(sha256(there)).toBe(sha256(content));
  if (one.isCutOff === true) await writeAmid(world, volume, content);
  else await world.stop();
  const disks = [...world.disks.values()].slice(0, one.members);
  const nodes = disks.map((_disk, disk) => diskNode(one.name, disk)).join(" ");
  const check = isChecked(one) ? ["md_wait md0", "md_check md0"] : [];
  const policy = one.policy === undefined ? [] : [SAY_POLICY];
  const job = {
    name: one.name,
    diskSectors: disks.map(({ sectors }) => sectors),
    from: saveImages(one.name, disks, folder),
    script: [
      `mdadm -A /dev/md0 ${nodes}`,
      `look /dev/md0 ${one.name}`,
      ...policy,
      ...check,
      "md_stop md0",
    ],
  };
  return { job: { ...job, script: job.script.join("\n") }, content };
}

peerDescribe(GUEST_PROGRAMS, "arrays that were changed while they ran", () => {
  let folder = "";
  const contents = new Map<string, Uint8Array>();
  let done: readonly DoneJob[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-grown-"));
    const jobs: Job[] = [];
    for (const one of CASES) {
      const { job, content } = await make(one, folder);
      jobs.push(job);
      contents.set(one.name, content);
    }
    const guest = join(folder, "guest");
    mkdirSync(guest);
    done = await runJobs(jobs, [], guest);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(CASES.map((one) => [`${one.name}, ${one.create.version}`, one] as const))(
    "%s",
    (_text, one) => {
      const { name } = one;
      const job = done.find((each) => each.name === name);
      expect(job?.passed, job?.log).toBe(true);
      const content = contents.get(name)!;
      const wanted = { bytes: content.length, sha256: sha256(content) };
      expect(job?.look(name), job?.log).toEqual(wanted);
      if (isChecked(one)) expect(job?.log).toContain("mismatches 0\n");
      if (one.policy !== undefined) expect(job?.log).toContain(`policy ${one.policy}\n`);
    },
  );
});
