/** Commands that are about no device: splitname, targets, target-version, version. */
import { HoldfastError } from "../../base/errors.ts";
import { SPLIT_DEFAULTS, SPLIT_FIELDS } from "../fields.ts";
import { splitName } from "../names.ts";
import { chosenFields, reportLines } from "../report.ts";
import { parseSelection } from "../selection.ts";
import type { Session } from "../session.ts";

/** The kernel's device-mapper whose targets and ioctls are those here. */
const DRIVER_VERSION = "4.48.0";
/** The tool whose grammar and texts are those here. */
const LIBRARY_VERSION = "1.02.185 (2022-05-18)";

export function runVersion(session: Session): void {
  session.print(`Library version:   ${LIBRARY_VERSION}`);
  session.print(`Driver version:    ${DRIVER_VERSION}`);
  session.result({ library: LIBRARY_VERSION, driver: DRIVER_VERSION });
}

export function runSplitName(
  session: Session,
  [name = "", subsystem = "LVM"]: readonly string[],
): void {
  const row = { ...splitName(name, subsystem), subsystem };
  const fields = chosenFields(SPLIT_FIELDS, SPLIT_DEFAULTS, session.options.fields);
  if (!parseSelection(session.options.select ?? "", SPLIT_FIELDS)(row)) return;
  for (const line of reportLines(fields, [row], session.options)) session.print(line);
  session.result(row);
}

export async function runTargets(session: Session): Promise<void> {
  for (const type of await (await session.host()).targetTypes()) tellType(session, type);
}

export async function runTargetVersion(session: Session, names: readonly string[]): Promise<void> {
  const types = await (await session.host()).targetTypes();
  for (const name of names) {
    const type = types.find((each) => each.name === name);
    if (type === undefined)
      throw new HoldfastError(
        "unsupported",
        `device-mapper: target-version ioctl on ${name}  failed: Invalid argument\nThere is no target ${name} here.`,
      );
    tellType(session, type);
  }
}

/** A command that is understood and not done. */
export function refusal(why: string): () => never {
  return () => {
    throw new HoldfastError("unsupported", why);
  };
}

function tellType(
  session: Session,
  { name, version }: { readonly name: string; readonly version: readonly number[] },
): void {
  session.print(`${name.padEnd(16)} v${version.join(".")}`);
  session.result({ name, version });
}
