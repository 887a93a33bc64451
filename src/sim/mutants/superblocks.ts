/** Superblocks, and when they say what. */
import { ignore } from "../../base/nothing.ts";
import { BioFlags } from "../../block/bio.ts";
import type { DeviceImage } from "../../formats/md/superblock-update.ts";
import { ROUND_WRITER } from "../../md/running/member-images.ts";
import type { RoundWriter, Saying } from "../../md/running/member-images.ts";
import { Metadata } from "../../md/running/metadata.ts";
import { WriteGate } from "../../md/running/write-gate.ts";
import type { ArrayParts } from "../../md/running/parts.ts";
import type { Mutant } from "../mutant.ts";
import { shown } from "../stand-in.ts";
import { rewritten, withFlags } from "./devices.ts";

function written(writer: Partial<RoundWriter>): Partial<ArrayParts> {
  return {
    metadata: (options) => new Metadata({ ...options, writer: { ...ROUND_WRITER, ...writer } }),
  };
}

/** What is said of each device, changed. */
function saidOtherwise(saying: Saying, change: (image: DeviceImage) => DeviceImage): Saying {
  const devices = new Map([...saying.devices].map(([member, image]) => [member, change(image)]));
  return { devices, array: { ...saying.array, devices: [...devices.values()] } };
}

class Unrecorded extends Metadata {
  override whenRecorded(done: () => void): void {
    done();
  }
}

class NobodyOutvoted extends Metadata {
  override outvote(): void {}
}

class DirtyAfterData extends WriteGate {
  override enter(go: () => void): void {
    super.enter(ignore);
    go();
  }
}

/** Does not know of writes under way. */
class CleanUnderWrites extends WriteGate {
  override enter(go: () => void): void {
    super.enter(() => {
      go();
      super.leave();
    });
  }

  override leave(): void {}
}

export const SUPERBLOCK_MUTANTS: readonly Mutant[] = [
  {
    name: "superblock-before-data",
    about: "superblocks vouch for data that is in the members' caches",
    law: 1,
    origin: "dm-devel: dm-clone flushes before it commits",
    scenario: "clean",
    parts: () => written({ flush: () => Promise.resolve() }),
  },
  {
    name: "superblock-volatile",
    about: "superblocks are taken for durable when they are in a cache",
    law: 2,
    origin: null,
    scenario: "clean",
    parts: () =>
      written({
        superblock: (member, saying) => {
          const device = withFlags(member.device, (flags) => flags & ~BioFlags.fua);
          const other = shown(member, { device });
          const devices = new Map([...saying.devices, [other, saying.devices.get(member)!]]);
          return ROUND_WRITER.superblock(other, { ...saying, devices });
        },
      }),
  },
  {
    name: "dirty-after-data",
    about: "the first write does not wait until the superblocks say dirty",
    law: 2,
    origin: null,
    scenario: "clean",
    parts: () => ({ gate: (...options) => new DirtyAfterData(...options) }),
  },
  {
    name: "clean-under-writes",
    about: "the array is marked clean while writes are under way, which take 30 ms here",
    law: 2,
    origin: null,
    scenario: "slow",
    device: (disk, world) =>
      rewritten(disk, (bio) => {
        if (bio.op !== "write" || bio.sector < 256) return bio;
        world.after(world.prng(`late ${world.nowUs}`).below(30_000), () => disk.submit(bio));
        return null;
      }),
    parts: () => ({
      gate: (...options) => {
        const gate = new CleanUnderWrites(...options);
        gate.delayMs = 5;
        return gate;
      },
    }),
  },
  {
    name: "recovery-offset-ahead",
    about: "superblocks say that a member is filled further than it is",
    law: 1,
    origin: null,
    scenario: "recovery",
    parts: () =>
      written({
        superblock: (member, saying) =>
          ROUND_WRITER.superblock(
            member,
            saidOtherwise(saying, (image) => {
              const { recoveryOffsetSectors: offset } = image;
              return offset === null ? image : { ...image, recoveryOffsetSectors: offset + 128 };
            }),
          ),
      }),
  },
  {
    name: "failure-unrecorded",
    about: "a write that a member missed is acknowledged before the others' superblocks say so",
    law: 3,
    origin: "dm-devel: device failure tolerance of dm-mirror",
    scenario: "phoenix",
    parts: () => ({ metadata: (options) => new Unrecorded(options) }),
  },
  {
    name: "nobody-outvoted",
    about: "a member that left may have the highest event count, and speak for the array",
    law: 3,
    origin: "dm-devel: device failure tolerance of dm-mirror",
    scenario: "outvoted",
    parts: () => ({ metadata: (options) => new NobodyOutvoted({ ...options, goneEvents: 0 }) }),
  },
  {
    name: "failed-still-active",
    about: "the others' superblocks go on calling a member active that has failed",
    law: 3,
    origin: "dc1cc22ed58f: consult the superblock of the freshest device",
    scenario: "phoenix",
    parts: () => ({
      metadata: (options) => {
        const roles = new Map<number, DeviceImage["role"]>();
        const superblock: RoundWriter["superblock"] = (member, saying) =>
          ROUND_WRITER.superblock(
            member,
            saidOtherwise(saying, (image) => {
              const known = roles.get(image.number);
              if (image.role.kind === "active") roles.set(image.number, image.role);
              return image.role.kind === "faulty" && known !== undefined
                ? { ...image, role: known }
                : image;
            }),
          );
        // And it is not counted as news.
        return new Metadata({ ...options, writer: { ...ROUND_WRITER, superblock } });
      },
    }),
  },
];
