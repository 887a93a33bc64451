/** Results of system calls as errors, worded like Node's own, so that one table of sayings serves both. */
import { getSystemErrorName } from "node:util";

/** @param errno positive */
export function systemError(call: string, errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${call} ${code}`), { code, errno: -errno, syscall: call });
}
