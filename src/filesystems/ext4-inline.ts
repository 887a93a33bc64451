/**
 * Inline data: a small file or folder inside its own inode. The first 60 bytes are where block pointers would be, the rest
 * is the extended attribute "system.data" behind the inode's fields (Documentation/filesystems/ext4/inlinedata.rst).
 */
import {
  EXT_ATTRIBUTE_MAGIC,
  EXT_SYSTEM_ATTRIBUTE,
  extAttribute,
  extInodeExtra,
} from "../formats/ext4.ts";
import type { Ext4Volume, Inode } from "./ext4-volume.ts";

/** The value of "system.data"; empty if there is none. */
function systemData(volume: Ext4Volume, inode: Inode): Uint8Array {
  const { raw } = inode;
  const none = raw.subarray(0, 0);
  if (raw.length < extInodeExtra.size) return none;
  const start = 128 + extInodeExtra.decode(raw).extraBytes;
  if (start + 4 > raw.length) return none;
  const magic = new DataView(raw.buffer, raw.byteOffset).getUint32(start, true);
  if (magic !== EXT_ATTRIBUTE_MAGIC) return none;
  const area = raw.subarray(start + 4);
  for (let at = 0; at + extAttribute.size <= area.length;) {
    const entry = extAttribute.decode(area, at);
    if (entry.nameBytes === 0 && entry.nameIndex === 0) break;
    const name = area.subarray(at + extAttribute.size, at + extAttribute.size + entry.nameBytes);
    const isData = String.fromCharCode(...name) === "data";
    if (entry.nameIndex === EXT_SYSTEM_ATTRIBUTE && isData) {
      const end = entry.valueOffset + entry.valueBytes;
      if (entry.valueInode !== 0 || end > area.length)
        throw volume.damaged(`the inline data of inode ${inode.number} lies outside of it`);
      return area.subarray(entry.valueOffset, end);
    }
    at += extAttribute.size + Math.ceil(entry.nameBytes / 4) * 4;
  }
  return none;
}

/** The contents of an inline file, `sizeBytes` long. */
export function inlineContents(volume: Ext4Volume, inode: Inode): Uint8Array {
  const rest = systemData(volume, inode);
  const { sizeBytes, block } = inode;
  if (sizeBytes > block.length + rest.length)
    throw volume.damaged(`inode ${inode.number} has less inline data than its size says`);
  const data = new Uint8Array(sizeBytes);
  data.set(block.subarray(0, sizeBytes));
  if (sizeBytes > block.length) data.set(rest.subarray(0, sizeBytes - block.length), block.length);
  return data;
}

/** The parts of an inline folder that hold entries. The four bytes in front are the parent's inode. */
export function inlineFolderParts(volume: Ext4Volume, inode: Inode): Uint8Array[] {
  const rest = systemData(volume, inode);
  return rest.length === 0 ? [inode.block.subarray(4)] : [inode.block.subarray(4), rest];
}
