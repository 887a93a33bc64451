/**
 * The power fails at any moment while devices get their first superblock, lose it, or become a journal: a device is what it was or what it is to
 * be, never half of it, and the same request, given again, ends what a cut has stopped.
 *
 * `HOLDFAST_SEED=N npx vitest run src/host/power-cut-devices.test.ts` replays a run.
 */
import { describe, expect, it } from "vitest";
import { CutHost } from "../../test/support/cut-host.ts";
import { createCall } from "../../test/support/host-world.ts";
import { seedOfRun } from "../../test/support/seed.ts";
import { Prng } from "../base/prng.ts";
import { readSectors, writeSectors } from "../block/promises.ts";
import type { AssembleOutcome, CreateCall } from "./array-host.ts";

const SEED = seedOfRun();
const CUTS = 8;
const DISK_SECTORS = 1536;
const DATA_SECTORS = 64;
const VERSIONS = ["0.90", "1.0", "1.2"] as const;
type Version = (typeof VERSIONS)[number];

type Images = readonly Uint8Array[];

function stamp(): Uint8Array {
  const bytes = new Uint8Array(DATA_SECTORS * 512);
  new Prng(SEED).fill(bytes);
  return bytes;
}

function blank(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => new Uint8Array(DISK_SECTORS * 512));
}

async function made(disks: number, count: number, create: Partial<CreateCall>): Promise<Images> {
  const host = new CutHost(SEED, blank(count));
  const dataOffsetSectors = create.version === "1.2" ? 256 : null;
  await host.create(disks, { raidDisks: disks, dataOffsetSectors, force: true, ...create });
  await host.do(host.host.wait("md0"));
  await host.do(writeSectors(host.volume(), 0, stamp()));
  await host.do(host.host.stop({ array: "md0", force: false }));
  return host.cut();
}

async function hasData(host: CutHost): Promise<boolean> {
  const bytes = await host.do(readSectors(host.volume(), 0, DATA_SECTORS));
  return Buffer.from(bytes).equals(stamp());
}

/** Null: there is not one member. */
function found(host: CutHost, devices = host.paths): Promise<AssembleOutcome | null> {
  return host.assemble({ devices }).catch((error: Error) => {
    expect(error.message).toContain("has no members");
    return null;
  });
}

interface Work {
  readonly images: Images;
  readonly begin?: (host: CutHost) => Promise<unknown>;
  readonly work: (host: CutHost) => Promise<unknown>;
  /** A word for what is there after a cut. */
  readonly state: (host: CutHost) => Promise<string>;
  readonly allowed: readonly string[];
}

/** How many cuts were survived. */
async function campaign({ images, begin, work, state, allowed }: Work): Promise<number> {
  const whole = new CutHost(SEED, images);
  await begin?.(whole);
  whole.writing.length = 0;
  await whole.do(work(whole));
  expect(await state(new CutHost(SEED, whole.cut()))).toBe(allowed.at(-1));
  const moments = [...new Set(whole.writing)];
  const prng = new Prng(SEED);
  for (let cut = 0; cut < CUTS; cut += 1) {
    const host = new CutHost(SEED, images);
    await begin?.(host);
    const at = prng.pick(moments);
    const left = await host.cutAt(work(host), at, prng);
    const what = `seed ${SEED}, cut ${cut} after ${at}`;
    expect(allowed, what).toContain(await state(new CutHost(SEED, left)));
    const again = new CutHost(SEED, left);
    await begin?.(again);
    await again
      .do(work(again))
      .catch((error: Error) => expect(error.message, what).toContain("in "));
    expect(await state(new CutHost(SEED, again.cut())), what).toBe(allowed.at(-1));
  }
  return CUTS;
}

describe(`the power fails, seed ${SEED}`, () => {
  it.each(VERSIONS)(
    "while an array of version %s is made of the members of another",
    async (version) => {
      const images = await made(2, 2, { level: "raid1", version, bitmap: null });
      const old = (await found(new CutHost(SEED, images)))!.array.uuid;
      const next: Version = version === "1.2" ? "1.0" : "1.2";
      const survived = await campaign({
        images,
        work: (host) =>
          host.host.create(
            createCall(host.paths, {
              level: "raid1",
              version: next,
              dataOffsetSectors: next === "1.2" ? 256 : null,
              assumeClean: true,
              uuid: "00112233445566778899aabbccddeeff",
            }),
          ),
        state: async (host) => {
          const outcome = await found(host);
          if (outcome === null) return "none";
          const which = outcome.array.uuid === old ? "old" : "new";
          if (which === "old" && outcome.kind === "started") expect(await hasData(host)).toBe(true);
          return `${which}, ${outcome.kind}, ${outcome.array.members.length}`;
        },
        // Who has lost the old superblock before the other is missed, and a member of the new one misses those that have none yet.
        allowed: [
          "old, started, 2",
          "old, inactive, 1",
          "none",
          "new, inactive, 1",
          "new, started, 2",
        ],
      });
      expect(survived).toBe(CUTS);
    },
  );

  it.each(VERSIONS)("while a member of version %s is let go for good", async (version) => {
    const images = await made(2, 2, { level: "raid1", version, bitmap: null });
    const device = "/disks/d1";
    const survived = await campaign({
      images,
      work: (host) => host.host.zeroSuperblock({ device, force: false }),
      state: async (host) => {
        const all = await found(host);
        if (all?.kind === "inactive") await host.do(host.host.run("md0"));
        expect(await hasData(host)).toBe(true);
        return `${all!.array.members.length}`;
      },
      allowed: ["2", "1"],
    });
    expect(survived).toBe(CUTS);
  });

  it.each(["1.0", "1.2"] as const)(
    "while an array of version %s gets another journal",
    async (version) => {
      const images = await made(3, 5, {
        level: "raid5",
        version,
        chunkSectors: 16,
        componentSectors: 512,
        journal: "/disks/d3",
        force: true,
      });
      const members = ["/disks/d0", "/disks/d1", "/disks/d2"];
      const devices = [...members, "/disks/d4"];
      const how = { as: "journal", writeMostly: null, failFast: null, update: null } as const;
      const survived = await campaign({
        images,
        begin: (host) => host.assemble({ devices, force: true, run: true }),
        work: (host) => host.host.add({ array: "md0", device: "/disks/d4", ...how }),
        state: async (host) => {
          const outcome = (await found(host, devices))!;
          if (outcome.kind === "inactive") await host.do(host.host.run("md0"));
          await host.do(host.host.wait("md0"));
          expect(await hasData(host)).toBe(true);
          return outcome.hasJournal ? "journal" : "none";
        },
        allowed: ["none", "journal"],
      });
      expect(survived).toBe(CUTS);
    },
  );
});
