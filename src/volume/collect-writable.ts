/** A device to be opened for writing, or for reading where that may not be. */
import type { DeviceCollection } from "./devices.ts";

export type ReadOnlyChoice = "yes" | "no" | "if-need-be";

/** @param collect opens it. @throws HoldfastError of the one device that was asked for */
export async function collectWritable(
  collect: (readOnly: boolean) => Promise<DeviceCollection>,
  choice: ReadOnlyChoice,
): Promise<DeviceCollection> {
  const collection = await collect(choice === "yes");
  const [error] = collection.errors;
  if (error === undefined) return collection;
  await collection.close();
  const mayRead = error.code === "permission" || error.code === "read-only";
  if (choice !== "if-need-be" || !mayRead) throw error;
  return collectWritable(collect, "yes");
}
