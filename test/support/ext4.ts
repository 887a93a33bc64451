/** Reading all of an ext4 file system, to compare two. */
import { createHash } from "node:crypto";
import { expect } from "vitest";
import { openFileDevice } from "../../src/devices/file.ts";
import { nodeEnv } from "../../src/env/node/env.ts";
import { openExt4 } from "../../src/filesystems/ext4.ts";
import type { Ext4, Ext4Options } from "../../src/filesystems/ext4.ts";

/** A file's contents, holes as zeros. */
export async function contentsOf(fs: Ext4, path: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let at = 0;
  for await (const chunk of fs.readFile(path)) {
    expect(chunk.offsetBytes).toBe(at);
    const part = chunk.kind === "data" ? chunk.data : new Uint8Array(chunk.lengthBytes);
    parts.push(part);
    at += part.length;
  }
  return Buffer.concat(parts);
}

/** Path -> everything that can be told about it, files with their SHA-256; sorted by path. */
export async function treeOf(fs: Ext4): Promise<Map<string, string>> {
  const lines: [string, string][] = [];
  for await (const { path, entry } of fs.walk("/")) {
    const { name: _name, accessedSeconds: _accessed, ...told } = entry;
    const sha256 =
      entry.kind === "file"
        ? createHash("sha256")
            .update(await contentsOf(fs, path))
            .digest("hex")
        : "";
    lines.push([path, `${JSON.stringify(told)} ${sha256}`]);
  }
  return new Map(lines.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What is shown of the file system on an image. */
export async function readTree(
  disk: string,
  options?: Partial<Ext4Options>,
): Promise<{ readonly notes: readonly string[]; readonly tree: Map<string, string> }> {
  const device = await openFileDevice(nodeEnv(), disk, { readOnly: true });
  try {
    const fs = await openExt4(device, options);
    return { notes: fs.notes, tree: await treeOf(fs) };
  } finally {
    await device.close();
  }
}
