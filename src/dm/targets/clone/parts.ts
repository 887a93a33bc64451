/** CloneParts: who makes the parts of a clone. */
import type { BlockDevice } from "../../../block/device.ts";
import { Copier } from "./copier.ts";

export interface CloneParts {
  readonly copier: (source: BlockDevice, destination: BlockDevice) => Copier;
}

export const CLONE_PARTS: CloneParts = {
  copier: (source, destination) => new Copier(source, destination),
};
