/**
 * Damaged disks: whatever the bytes, `identifyDevice` answers, with few reads, all of them inside the device. The damage is
 * aimed at the places that hold metadata; checksums of LVM2 are put right again, so that its parser gets to see it.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../src/base/prng.ts";
import { labelHeader, lvmCrc } from "../src/formats/lvm2/label.ts";
import { readVolumeGroup } from "../src/formats/lvm2/volume-group.ts";
import { HoldfastError } from "../src/base/errors.ts";
import { identifyDevice } from "../src/volume/identify.ts";
import { ArrayDevice } from "./support/array-device.ts";
import { goldenCase, unpackArtefact, unpackImage } from "./support/golden.ts";

const SEED = 20_261;
const ROUNDS = 150;

const DISKS: readonly (readonly [string, number])[] = [
  ["lvm-thin-snap", 0],
  ["dm-thin-2-snap", 0],
  ["dm-clone-r8", 0],
  ["dm-snapshot-c16", 1],
  ["dm-integrity-crc32c", 0],
  ["dm-raid5ls-3", 0],
  ["raid1-2-bitmap", 0],
  ["raid1-3-m090", 0],
  ["raid5-3-ra-c16-m10", 0],
  ["bitmapfile-raid1-2", 2],
];

/** Counts of reads beyond this mean a loop that the metadata controls. */
const MAX_READS = 400;

function damage(prng: Prng, bytes: Uint8Array): void {
  const areas = [
    0,
    512,
    1024,
    4096,
    bytes.length - 65_536,
    bytes.length - 131_072,
    bytes.length - 8192,
  ];
  for (let n = prng.between(1, 12); n > 0; n -= 1) {
    const at = prng.pick(areas) + prng.below(600);
    bytes[at] = prng.pick([0, 1, 0x7f, 0x80, 0xff, prng.below(256)]);
  }
}

/** Makes the label's checksum right, wherever the damage was. */
function mendLabel(bytes: Uint8Array): void {
  labelHeader.encodeInto(bytes, 512, { crc: lvmCrc(bytes.subarray(532, 1024)) });
}

function mendArea(bytes: Uint8Array): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(
    4096,
    lvmCrc(bytes.subarray(4100, 4608)),
    true,
  );
}

async function checkAnswer(bytes: Uint8Array, where: string): Promise<void> {
  const device = new ArrayDevice(bytes.length / 512, { readOnly: true });
  device.bytes.set(bytes);
  try {
    const { findings } = await identifyDevice(device);
    for (const finding of findings) expect([where, finding.text]).not.toEqual([where, ""]);
  } catch (thrown) {
    throw new Error(`${where} made it fail`, { cause: thrown });
  }
  expect([where, device.seen.length < MAX_READS]).toEqual([where, true]);
  const outside = device.seen.filter((bio) => !(bio.sector + bio.sectors <= device.sectors));
  expect([where, outside.length]).toEqual([where, 0]);
}

describe("identifyDevice on damaged disks", () => {
  for (const [name, index] of DISKS) {
    it(`${name} disk ${index} (seed ${SEED})`, async () => {
      const image = unpackImage(goldenCase(name), index);
      const prng = new Prng(SEED);
      // Only what is near the ends matters, and a small disk makes many rounds cheap.
      const small = new Uint8Array(1024 * 1024);
      small.set(image.subarray(0, small.length / 2));
      small.set(image.subarray(image.length - small.length / 2), small.length / 2);
      for (let round = 0; round < ROUNDS; round += 1) {
        const bytes = small.slice();
        damage(prng, bytes);
        if (name.startsWith("lvm")) {
          mendLabel(bytes);
          mendArea(bytes);
        }
        await checkAnswer(bytes, `round ${round}`);
      }
    });
  }
});

describe("volume group text, damaged", () => {
  it(`ends in a volume group or a typed error (seed ${SEED})`, () => {
    const text = new TextDecoder().decode(unpackArtefact(goldenCase("lvm-thin-snap"), "vg.txt"));
    const prng = new Prng(SEED);
    const scraps = [
      "{",
      "}",
      "[",
      "]",
      '"',
      "=",
      ",",
      "-1",
      "1e9",
      "#",
      "\\",
      "99999999999999999999",
      "\0",
    ];
    let readable = 0;
    for (let round = 0; round < 400; round += 1) {
      const at = prng.below(text.length);
      const scrap = prng.chance(0.3)
        ? text.slice(prng.below(text.length)).slice(0, 200)
        : prng.pick(scraps);
      const damaged = text.slice(0, at) + scrap + text.slice(at + prng.below(3));
      try {
        readVolumeGroup(damaged);
        readable += 1;
      } catch (thrown) {
        if (!(thrown instanceof HoldfastError) || thrown.code !== "bad-metadata")
          throw new Error(`round ${round} failed otherwise`, { cause: thrown });
      }
    }
    // Damage in comments and names does no harm: both ways out were taken.
    expect(readable).toBeGreaterThan(10);
    expect(readable).toBeLessThan(390);
  });
});
