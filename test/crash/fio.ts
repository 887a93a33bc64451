/** fio as an NBD client that knows what it wrote: passes over a whole export, each written at random places and then read and compared. */
import { spawn } from "node:child_process";
import { findProgram } from "../../scripts/peers.mjs";

export interface FioPass {
  readonly uri: string;
  readonly seed: number;
  readonly blockKib: number;
  /** Nothing is written: what an equal pass has written is compared. */
  readonly verifyOnly: boolean;
  /** Called several times a second, as long as it goes on. */
  readonly tick: () => void;
}

export interface FioFigures {
  readonly writtenBytes: number;
  /** Read and compared. */
  readonly verifiedBytes: number;
}

interface FioJson {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly io_bytes: number };
    readonly write: { readonly io_bytes: number };
  }[];
}

function wordsOf({ uri, seed, blockKib, verifyOnly }: FioPass): string[] {
  const words = [
    "name=pass",
    "ioengine=nbd",
    `uri=${uri}`,
    "rw=randwrite",
    `bs=${blockKib}k`,
    "iodepth=8",
    `randseed=${seed}`,
    "fsync=64",
    "verify=crc32c",
    "verify_fatal=1",
    "verify_backlog=512",
    "do_verify=1",
    // fio would leave the state of its verification where it was started.
    "verify_state_save=0",
    "output-format=json",
    "eta=always",
    "eta-interval=250",
    ...(verifyOnly ? ["verify_only"] : []),
  ];
  return words.map((word) => `--${word}`);
}

/** Rejects when a block is not what was written, or a request fails. */
export function runFio(pass: FioPass): Promise<FioFigures> {
  const child = spawn(findProgram("fio") ?? "fio", wordsOf(pass), {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data: Buffer) => {
    stdout += data.toString();
    pass.tick();
  });
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
    pass.tick();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const failed = (): Error =>
        new Error(
          `fio with seed ${pass.seed} ended with ${code}: ${stderr}\n${stdout.slice(-2000)}`,
        );
      if (code !== 0) {
        reject(failed());
        return;
      }
      const json = /^\{\n[^]*^\}$/m.exec(stdout)?.[0];
      if (json === undefined) {
        reject(failed());
        return;
      }
      const { read, write } = (JSON.parse(json) as FioJson).jobs[0]!;
      // A pass that only verifies counts what it would have written.
      const writtenBytes = pass.verifyOnly ? 0 : write.io_bytes;
      resolve({ writtenBytes, verifiedBytes: read.io_bytes });
    });
  });
}
