/** Opens whatever a path names: an image file or a block device. */
import type { Env } from "../env/env.ts";
import { openFileDevice } from "./file.ts";
import type { OpenedDevice } from "./file.ts";

export interface OpenOptions {
  readonly readOnly: boolean;
}

export function openDevice(env: Env, path: string, options: OpenOptions): Promise<OpenedDevice> {
  return openFileDevice(env, path, options);
}
