/**
 * Whether a path lies on a file system whose answers come from elsewhere: another machine, or a process. A call there may wait for
 * minutes for reasons that no disk has.
 */
import { statfs } from "node:fs/promises";

/** `f_type` of statfs(2), from that manual page and Linux's include/uapi/linux/magic.h. */
const REMOTE_TYPES: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x00c36400, // Ceph
  0x65735546, // FUSE
  0x01021997, // 9p
  0x5346414f, // OpenAFS
  0x6b414653, // kAFS
  0x73757245, // Coda
  0x564c, // NCP
  0x01161970, // GFS2
  0x7461636f, // OCFS2
  0x0bd00bd0, // Lustre
  0x786f4256, // folders of a VirtualBox host
]);

/** `f_type` is a signed number on some architectures. */
export function isRemoteType(type: number): boolean {
  return REMOTE_TYPES.has(type >>> 0);
}

/** False also where the platform cannot tell: elsewhere than on Linux the numbers mean other things. */
export async function isRemote(path: string): Promise<boolean> {
  if (process.platform !== "linux") return false;
  return statfs(path).then(
    ({ type }) => isRemoteType(type),
    () => false,
  );
}
