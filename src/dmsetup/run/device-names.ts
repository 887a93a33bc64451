/** Which devices the words of a command line mean. */
import { HoldfastError } from "../../base/errors.ts";
import { named } from "../session.ts";
import type { DeviceRef, Session } from "../session.ts";

const FOLDER = "/dev/mapper/";

/** "/dev/mapper/v" is v. */
export function ownName(word: string): string {
  return word.startsWith(FOLDER) ? word.slice(FOLDER.length) : word;
}

/** @throws HoldfastError `usage` as dmsetup says it */
export function checkNewName(name: string): void {
  if (name.includes("/"))
    throw new HoldfastError("usage", `Name "${name}" invalid. It contains "/".`);
}

function refOf(word: string): DeviceRef {
  const name = ownName(word);
  if (/^\/dev\/dm-\d+$/.test(name)) return named(name);
  if (name.startsWith("/")) throw new HoldfastError("not-found", `Device ${name} not found`);
  checkNewName(name);
  return named(name);
}

/** By --uuid or numbers there is one, and the words are all for the command. */
function refByOptions({ options }: Session): DeviceRef | null {
  const { uuid, major, minor } = options;
  if (uuid !== null) return { name: "", uuid, number: null };
  if (major === null || minor === null) return null;
  return { name: "", uuid: "", number: { major, minor } };
}

/** Every word is a device. Null: none is named. */
export function refsOf(session: Session, words: readonly string[]): readonly DeviceRef[] | null {
  const chosen = refByOptions(session);
  if (chosen !== null) return [chosen];
  return words.length === 0 ? null : words.map(refOf);
}

/** The first word is the device, unless it was named otherwise. @returns it and what is left; null: it is missing */
export function firstRef(
  session: Session,
  words: readonly string[],
): { readonly ref: DeviceRef | null; readonly rest: readonly string[] } {
  const chosen = refByOptions(session);
  if (chosen !== null) return { ref: chosen, rest: words };
  const [first, ...rest] = words;
  return { ref: first === undefined ? null : refOf(first), rest };
}

export function noDeviceNamed(): HoldfastError {
  return new HoldfastError("usage", "No device specified.");
}
