/** How superblocks of version 0.90 know whose arrays they are of: half of the UUID is made of the host's name (mdadm's super0.c). */
import { createHash } from "node:crypto";

const HASH_BYTES = 8;

/** The last two words of the UUID, most significant byte first. mdadm takes the bytes of the hash for words of its machine. */
export function homehostHash(homehost: string): Uint8Array {
  const hash = createHash("sha1").update(homehost).digest().subarray(0, HASH_BYTES);
  return Uint8Array.from(hash.swap32());
}

/** @param uuid in md's form, as the superblock of a 0.90 shows it */
export function isLocal090(uuid: string, homehost: string | null): boolean {
  if (homehost === null || homehost === "") return false;
  const words = new DataView(homehostHash(homehost).buffer);
  const text = [0, 4].map((at) => words.getUint32(at).toString(16).padStart(8, "0")).join(":");
  return uuid.endsWith(text);
}
