/** MappedParts: who makes mapped devices and the targets of their tables. */
import { MappedDevice } from "./mapped-device.ts";
import type { TargetType } from "./target.ts";
import { targetType } from "./targets/index.ts";

export interface MappedParts {
  readonly device: (name: string, uuid: string, minor: number) => MappedDevice;
  /** @throws HoldfastError `unsupported` for a name that there is not */
  readonly targetType: (name: string) => TargetType;
}

export const MAPPED_PARTS: MappedParts = {
  device: (name, uuid, minor) => new MappedDevice(name, uuid, minor),
  targetType,
};
