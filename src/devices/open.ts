/** Opens whatever a path names: an image file, a block device or, by its URI, an export of an NBD server. */
import type { Env } from "../env/env.ts";
import { isNbdUri } from "../formats/nbd/uri.ts";
import { openFileDevice } from "./file.ts";
import type { OpenedDevice } from "./file.ts";
import { openNbdDevice } from "./nbd.ts";

export interface OpenOptions {
  readonly readOnly: boolean;
  /** Nobody else may write to it meanwhile, though it is only read here; what is written to is had exclusively in any case. */
  readonly exclusive?: boolean;
}

/** @throws HoldfastError naming the path: `not-found`, `permission`, `busy`, `usage`, `unsupported`, `protocol` or `io` */
export function openDevice(env: Env, path: string, options: OpenOptions): Promise<OpenedDevice> {
  return isNbdUri(path) ? openNbdDevice(env, path, options) : openFileDevice(env, path, options);
}
