/** How arrays are named on a command line: /dev/mdN, /dev/md_dN, mdN, /dev/md/NAME, or a NAME alone. */
import { HoldfastError } from "../../base/errors.ts";
import type { ArrayNames } from "../../host/array-host.ts";

export interface NamedArray extends ArrayNames {
  /** To be shown: the path. */
  readonly shown: string;
  /** What an array made under this name calls itself: "0" of /dev/md0, "data" of /dev/md/data. */
  readonly ownName: string;
}

const KERNEL_NAME = /^md(?:(\d+)|_([\w.-]+))$/;
const FOLDER = "/dev/md/";

/** @throws `usage` for what is no array's name */
export function arrayNamed(text: string): NamedArray {
  const bare = text.startsWith("/dev/") && !text.startsWith(FOLDER) ? text.slice(5) : text;
  const kernel = KERNEL_NAME.exec(bare);
  if (kernel !== null)
    return {
      kernelName: bare,
      path: `/dev/${bare}`,
      shown: `/dev/${bare}`,
      ownName: kernel[1] ?? kernel[2] ?? "",
    };
  const name = text.startsWith(FOLDER) ? text.slice(FOLDER.length) : text;
  if (name.startsWith("/dev/"))
    throw new HoldfastError(
      "usage",
      `${text} is an invalid name for an md device.  Try /dev/md/${name.slice(5)}`,
    );
  // The last is a word of the configuration.
  if (name === "" || /[/\s]/.test(name) || name === "<ignore>")
    throw new HoldfastError("usage", `${text} is an invalid name for an md device.`);
  return { kernelName: null, path: `${FOLDER}${name}`, shown: `${FOLDER}${name}`, ownName: name };
}

/** Could it be an array rather than a member? */
export function looksLikeArray(text: string): boolean {
  return text.startsWith(FOLDER) || KERNEL_NAME.test(text.replace(/^\/dev\//, ""));
}

/** What the host is asked for: a name as scripts write it. */
export function arrayKey(text: string): string {
  return looksLikeArray(text) ? text : arrayNamed(text).path!;
}
