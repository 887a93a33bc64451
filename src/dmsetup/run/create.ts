/** create, with one table or several devices in one line. */
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { parseConcise } from "../../dm/concise.ts";
import { DM_MAJOR } from "../../dm/numbers.ts";
import type { MappedCreateCall } from "../../host/mapped/mapped-host.ts";
import { named } from "../session.ts";
import type { DeviceRef, Session } from "../session.ts";
import { absoluteWords, tableInput } from "../table-input.ts";
import { checkNewName, ownName } from "./device-names.ts";
import { tellInfo } from "./show.ts";

export async function runCreate(session: Session, words: readonly string[]): Promise<void> {
  const { concise, noTable, readOnly, uuid, major, minor } = session.options;
  if (concise) {
    await createConcise(session, words);
    return;
  }
  const [first, file] = words;
  if (first === undefined)
    throw new HoldfastError("usage", "Please provide a name for the new device.");
  const name = ownName(first);
  checkNewName(name);
  if (major !== null && major !== DM_MAJOR)
    throw new HoldfastError(
      "usage",
      `device-mapper: create ioctl on ${name} (${major}:${minor}) failed: Invalid argument\nMapped devices have the major number ${DM_MAJOR}.`,
    );
  const table = noTable ? null : await tableInput(session, file);
  await create(session, { name, uuid: uuid ?? "", minor, table, readOnly });
}

async function createConcise(session: Session, words: readonly string[]): Promise<void> {
  const text = words.length > 0 ? words.join(" ") : await session.tools.readInput();
  for (const { name, uuid, minor, readOnly, lines } of parseConcise(text)) {
    checkNewName(name);
    const table = absoluteWords(session, lines.join("\n"));
    await create(session, {
      name,
      uuid,
      minor,
      table,
      readOnly: readOnly || session.options.readOnly,
    });
  }
}

async function create(session: Session, call: MappedCreateCall): Promise<void> {
  const host = await session.host();
  const { stage, ref } = await stageOf(session, call);
  const view = await session.ioctl(stage, ref, () => host.mappedCreate(call));
  tellInfo(session, view);
  session.result(view);
}

/** Where it can fail: it is all or nothing, and dmsetup tells which of its calls the kernel would have refused. */
async function stageOf(
  session: Session,
  { name, uuid, minor }: MappedCreateCall,
): Promise<{ readonly stage: "create" | "reload"; readonly ref: DeviceRef }> {
  const all = await session.all();
  const minors = new Set(all.map((view) => view.minor));
  const number = minor === null ? null : { major: DM_MAJOR, minor };
  const isTaken =
    all.some((view) => view.name === name || (uuid !== "" && view.uuid === uuid)) ||
    (minor !== null && minors.has(minor));
  if (isTaken) return { stage: "create", ref: { name, uuid, number } };
  let free = 0;
  while (minors.has(free)) free += 1;
  const own = { major: DM_MAJOR, minor: minor ?? free };
  return { stage: "reload", ref: { ...named(name), number: own } };
}

export async function runLoad(
  session: Session,
  refs: readonly DeviceRef[] | null,
  words: readonly string[],
): Promise<void> {
  const [ref] = refs ?? [];
  if (ref === undefined) throw new HoldfastError("usage", "Please specify device.");
  const [file] = words;
  const table = await tableInput(session, file);
  const { readOnly } = session.options;
  const { name: device } = await session.need("reload", ref);
  const view = await session
    .ioctl("reload", ref, (host) => host.mappedLoad({ device, table, readOnly }))
    .catch((thrown: unknown) => {
      throw toHoldfastError(thrown);
    });
  tellInfo(session, view);
  session.result(view);
}
