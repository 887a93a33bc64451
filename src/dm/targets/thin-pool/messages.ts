/** The messages of a pool. Each is committed before it is answered. */
import { HoldfastError } from "../../../base/errors.ts";
import { MAX_THIN_DEVICE } from "../../../formats/thin.ts";
import type { Pool } from "../../thin/pool.ts";
import { Words } from "../../words.ts";

function device(words: Words): number {
  return words.number("the device's number", 0, MAX_THIN_DEVICE);
}

/** What a message is to do, with its words read. @throws `usage` */
function parse(pool: Pool, all: readonly string[]): () => Promise<void> {
  const { metadata } = pool;
  const words = new Words("thin-pool", all);
  const name = words.word("the message");
  const read = (): (() => Promise<void>) => {
    switch (name) {
      case "create_thin": {
        const id = device(words);
        return () => metadata.createThin(id);
      }
      case "create_snap": {
        const id = device(words);
        const origin = device(words);
        return () => metadata.createSnapshot(id, origin);
      }
      case "delete": {
        const id = device(words);
        return () => metadata.deleteDevice(id);
      }
      case "set_transaction_id": {
        const from = words.number("the transaction id there is");
        const to = words.number("the new transaction id");
        return () => metadata.setTransactionId(from, to);
      }
      case "reserve_metadata_snap":
        return async () => {
          await pool.commit();
          await metadata.reserveSnapshot();
        };
      case "release_metadata_snap":
        return () => metadata.releaseSnapshot();
      default:
        throw words.wrong("there is no such message for a pool");
    }
  };
  const work = read();
  words.end();
  return work;
}

export async function poolMessage(pool: Pool, words: readonly string[]): Promise<null> {
  const work = parse(pool, words);
  const takes = (): boolean => pool.mode === "write" || pool.mode === "out-of-data";
  if (!takes() || !(await pool.makeRoom()))
    throw new HoldfastError("unsupported", `${pool.name} takes no messages: it cannot be changed.`);
  await pool.change(work);
  await pool.commit();
  return null;
}
