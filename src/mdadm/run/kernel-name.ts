/** CREATE names=yes: an array that has a name is called by it in the kernel too, md_data, where it would get a number. */
import type { ArrayNames } from "../../host/array-host.ts";
import type { Session } from "./session.ts";

/** Kernels take no more; a number has to do then. */
const LONGEST = 31;
const FOLDER = "/dev/md/";

export async function withKernelName(session: Session, names: ArrayNames): Promise<ArrayNames> {
  const { kernelName, path } = names;
  if (kernelName !== null || path === null || !path.startsWith(FOLDER)) return names;
  const name = path.slice(FOLDER.length);
  // A number is one, with or without the letter that once said "with partitions".
  const isNumber = /^d?\d+$/.test(name);
  const { create } = await session.config();
  if (create.names !== true || isNumber || !/^[\w.-]+$/.test(name)) return names;
  const wanted = `md_${name}`;
  return wanted.length > LONGEST ? names : { kernelName: wanted, path };
}
