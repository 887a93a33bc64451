/** Exclusive use of a state folder: its file "lock", held open (docs/decisions/0011-locks.md). The process number in it is for people. */
import { HoldfastError, toHoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import type { FileHandle } from "../env/files.ts";
import { readSmallFile } from "../env/small-file.ts";

/** Resolves to what gives it back. @throws HoldfastError `busy` when another daemon has it */
export async function lockState(
  env: Env,
  folder: string,
  processId: number,
): Promise<() => Promise<void>> {
  const path = `${folder}/lock`;
  await makeOnce(env, path);
  let file: FileHandle;
  try {
    file = await env.files.open(path, "read-write");
  } catch (error) {
    throw error instanceof HoldfastError && error.code === "busy"
      ? await taken(env, folder, path)
      : error;
  }
  try {
    await file.truncate(0);
    await write(file, new TextEncoder().encode(`${processId}\n`));
  } catch (error) {
    await file.close();
    throw error;
  }
  return () => file.close();
}

async function makeOnce(env: Env, path: string): Promise<void> {
  if ((await env.files.stat(path)) !== null) return;
  try {
    const made = await env.files.open(path, "create-new");
    await made.close();
  } catch (error) {
    // Another one was quicker.
    if (!(error instanceof HoldfastError) || error.code !== "usage") throw error;
  }
}

async function taken(env: Env, folder: string, path: string): Promise<HoldfastError> {
  const number = (await readSmallFile(env, path).catch(() => "")).trim();
  const who = /^\d+$/.test(number) ? ` (process ${number})` : "";
  return new HoldfastError(
    "busy",
    `Another holdfast daemon${who} uses the state folder ${folder}; stop it, or name another folder with --state.`,
  );
}

function write(file: FileHandle, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(data, 0, (error) => (error === null ? resolve() : reject(toHoldfastError(error))));
  });
}
