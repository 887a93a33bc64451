/** What a planned superblock will say. */
import { assert } from "../base/assert.ts";
import { decodeSuperblock090 } from "../formats/md/superblock-090.ts";
import { decodeSuperblock1 } from "../formats/md/superblock-1.ts";
import type { MdSuperblock, MdVersion } from "../formats/md/superblock.ts";
import type { CreatePlan } from "../md/create/request.ts";
import type { CreateDevices } from "./create.ts";

const SUPERBLOCK_BYTES = 4096;

/** That of the first device. */
export function decodedPlan(
  plan: CreatePlan,
  held: CreateDevices,
  version: MdVersion,
): MdSuperblock {
  const { index, writes } = plan.devices[0]!;
  const { sector, bytes } = writes.at(-1)!;
  const image = new Uint8Array(SUPERBLOCK_BYTES);
  image.set(bytes);
  const place = { sector, deviceSectors: held[index]!.device.sectors };
  const decoded =
    version === "0.90"
      ? decodeSuperblock090(image, place)
      : decodeSuperblock1(image, version, place);
  assert(decoded.kind === "ok", "what was planned can be read");
  return decoded.superblock;
}
