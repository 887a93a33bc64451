/**
 * Where an overlay keeps what was written: memory with a limit, or sparse temporary files in a folder.
 *
 * The store has the base's size and is addressed like it, so nothing but what was written takes room. File systems
 * end a file at some size (ext4: 16 TiB), so a larger base gets several files, laid end to end.
 */
import { SECTOR_BYTES } from "../base/units.ts";
import { flushBio } from "../block/bio.ts";
import type { Bio } from "../block/bio.ts";
import type { BlockDevice, BlockLimits, Extent } from "../block/device.ts";
import { WRITABLE_LIMITS } from "../block/device.ts";
import { fanOut } from "../block/fan-out.ts";
import { movedBio, submitSplit } from "../block/split.ts";
import type { Env } from "../env/env.ts";
import type { FileHandle } from "../env/files.ts";
import { FileDevice } from "./file.ts";
import { MemoryDevice } from "./memory.ts";

export type OverlayStoreChoice =
  /** `no-space` once 4 KiB blocks of so many bytes were written. */
  | { readonly kind: "memory"; readonly limitBytes: number }
  /** The folder must exist. The files are removed on close, unless `keep`. */
  | { readonly kind: "folder"; readonly folder: string; readonly keep?: boolean };

const FILE_SECTORS = (8 * 2 ** 40) / SECTOR_BYTES;

class FilesStore implements BlockDevice {
  readonly name: string;
  readonly sectors: number;
  readonly limits: BlockLimits = WRITABLE_LIMITS;
  readonly #files: readonly FileDevice[];
  readonly #fileSectors: number;
  readonly #remove: () => Promise<void>;

  constructor(
    files: readonly FileDevice[],
    fileSectors: number,
    sectors: number,
    remove: () => Promise<void>,
  ) {
    this.#files = files;
    this.#fileSectors = fileSectors;
    this.#remove = remove;
    this.name = files[0]?.name ?? "empty overlay";
    this.sectors = sectors;
  }

  submit(bio: Bio): void {
    const only = this.#files.length === 1 ? this.#files[0] : undefined;
    if (only !== undefined) only.submit(bio);
    else if (bio.op !== "flush") {
      submitSplit(bio, this.#fileSectors, (part) => {
        const index = Math.floor(part.sector / this.#fileSectors);
        this.#files[index]!.submit(movedBio(part, part.sector - index * this.#fileSectors));
      });
    } else if (this.#files.length === 0) bio.end(null);
    else {
      const end = fanOut(this.#files.length, bio.end);
      for (const file of this.#files) file.submit(flushBio(end));
    }
  }

  /** The overlay above knows better what was written. */
  extents(sector: number, sectors: number): Extent[] {
    return [{ sector, sectors, kind: "data" }];
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
    await this.#remove();
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function openFilesStore(
  env: Env,
  choice: Extract<OverlayStoreChoice, { kind: "folder" }>,
  sectors: number,
  fileSectors: number,
): Promise<BlockDevice> {
  const stem = `${choice.folder}/holdfast-overlay-${hex(env.random.bytes(8))}`;
  const files: FileHandle[] = [];
  const remove = async (): Promise<void> => {
    for (const file of files) await env.files.remove(file.path);
  };
  try {
    for (let start = 0; start < sectors; start += fileSectors) {
      const file = await env.files.open(`${stem}.${files.length}`, "create-new");
      files.push(file);
      await file.truncate(Math.min(fileSectors, sectors - start) * SECTOR_BYTES);
    }
  } catch (error) {
    for (const file of files) await file.close();
    await remove();
    throw error;
  }
  const devices = files.map((file) => new FileDevice(file, false));
  const atClose = choice.keep === true ? (): Promise<void> => Promise.resolve() : remove;
  return new FilesStore(devices, fileSectors, sectors, atClose);
}

/** @param fileSectors largest size of one file of a folder store */
export async function openOverlayStore(
  env: Env,
  choice: OverlayStoreChoice,
  sectors: number,
  fileSectors = FILE_SECTORS,
): Promise<BlockDevice> {
  if (choice.kind === "folder") return openFilesStore(env, choice, sectors, fileSectors);
  return new MemoryDevice({ name: "the overlay", sectors, limitBytes: choice.limitBytes });
}
