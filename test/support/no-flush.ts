/** A mutant for tests of the simulator: flushes are answered, and no disk is flushed. */
import type { Bio } from "../../src/block/bio.ts";
import type { BlockDevice } from "../../src/block/device.ts";
import type { Mutant } from "../../src/sim/mutant.ts";

function withoutFlush(disk: BlockDevice): BlockDevice {
  return {
    name: disk.name,
    sectors: disk.sectors,
    limits: disk.limits,
    submit(bio: Bio) {
      if (bio.op === "flush") bio.end(null);
      else disk.submit(bio);
    },
    extents: (sector, sectors, most) => disk.extents(sector, sectors, most),
    close: () => disk.close(),
  };
}

export const NO_FLUSH: Mutant = {
  name: "no-flush",
  about: "flushes never reach the disks",
  law: 8,
  origin: null,
  scenario: "crash",
  device: withoutFlush,
};
