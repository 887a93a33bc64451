/** What a check of metadata says of a disk, a line each; nothing of one that has none yet. */
import type { BlockDevice } from "../../block/device.ts";
import { isBlank } from "../../pdata/block-cache.ts";
import type { CheckLine, CheckResult } from "../../pdata/metadata-check.ts";
import type { SimDisk } from "../disk.ts";
import { ImageDevice } from "./image-device.ts";

export async function metadataProblems(
  disk: SimDisk,
  of: string,
  check: (device: BlockDevice, say: (line: CheckLine) => void) => Promise<CheckResult>,
): Promise<string[]> {
  const image = new ImageDevice(disk);
  if (await isBlank(image)) return [];
  const wrong: string[] = [];
  const { verdict, needsCheck } = await check(image, (line) => {
    if (line.kind === "problem") wrong.push(`metadata of the ${of}: ${line.text.trim()}`);
  });
  if (verdict !== "clean" && wrong.length === 0) wrong.push(`metadata of the ${of}: ${verdict}`);
  if (needsCheck) wrong.push(`metadata of the ${of}: it is to be checked`);
  return wrong;
}
