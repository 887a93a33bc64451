/** Commands that tell and change nothing: info, table, status, deps, ls. */
import { HoldfastError, toHoldfastError } from "../../base/errors.ts";
import { formatConcise } from "../../dm/concise.ts";
import type { MappedDependency, MappedView } from "../../host/mapped/mapped-host.ts";
import { INFO_DEFAULTS, INFO_FIELDS, SELECTED } from "../fields.ts";
import type { InfoRow } from "../fields.ts";
import { infoLines } from "../info-text.ts";
import { mangled } from "../names.ts";
import { chosenFields, reportLines, sortedRows } from "../report.ts";
import { parseSelection } from "../selection.ts";
import type { Selection } from "../selection.ts";
import { named } from "../session.ts";
import type { DeviceRef, Session } from "../session.ts";
import { TreeText, treeSwitches } from "../tree.ts";
import { WrongOption } from "../wrong-option.ts";

/** What -v shows before or after everything else. */
export function tellInfo(session: Session, view: MappedView): void {
  if (session.options.verbosity === 0) return;
  for (const line of infoLines(view)) session.print(line);
}

/** Null: all devices. Each is looked up when the one before it was dealt with. */
async function eachOf(
  session: Session,
  refs: readonly DeviceRef[] | null,
  find: (ref: DeviceRef) => Promise<MappedView>,
  work: (view: MappedView) => Promise<void> | void,
): Promise<void> {
  if (refs !== null) {
    for (const ref of refs) await work(await find(ref));
    return;
  }
  const all = await session.all();
  if (all.length === 0) session.print("No devices found");
  for (const view of all) await work(view);
}

async function existing(session: Session, ref: DeviceRef): Promise<MappedView> {
  const found = await session.find(ref);
  if (found === null) throw new HoldfastError("not-found", "Device does not exist.");
  return found;
}

export async function runInfo(session: Session, refs: readonly DeviceRef[] | null): Promise<void> {
  const { columns, fields, sort } = session.options;
  if (!columns && fields === null && sort === null) {
    await eachOf(
      session,
      refs,
      (ref) => existing(session, ref),
      (view) => {
        for (const line of infoLines(view)) session.print(line);
        session.result(view);
      },
    );
    return;
  }
  const chosen = chosenFields(INFO_FIELDS, INFO_DEFAULTS, fields);
  const isSelected = parseSelection(session.options.select ?? "", INFO_FIELDS);
  const views: MappedView[] = [];
  const all = await session.all();
  const show = (): void => {
    const rows = views
      .map((view) => infoRow(view, all, isSelected))
      .filter((row) => row.isSelected || chosen.includes(SELECTED));
    const sorted = sortedRows(INFO_FIELDS, rows, sort);
    if (rows.length > 0)
      for (const line of reportLines(chosen, sorted, session.options)) session.print(line);
    for (const row of sorted)
      session.result(Object.fromEntries(chosen.map((field) => [field.id, field.value(row)])));
  };
  try {
    await eachOf(
      session,
      refs,
      (ref) => existing(session, ref),
      (view) => void views.push(view),
    );
  } finally {
    if (views.length > 0) show();
  }
}

function infoRow(
  view: MappedView,
  all: readonly MappedView[],
  isSelected: Selection<InfoRow>,
): InfoRow {
  const row = { view, users: usersOf(view, all), isSelected: true };
  return { ...row, isSelected: isSelected(row) };
}

/** Those of the devices that --select means. @throws WrongSelection */
export async function selectedRefs(
  session: Session,
  refs: readonly DeviceRef[] | null,
  select: string,
): Promise<DeviceRef[]> {
  const isSelected = parseSelection(select, INFO_FIELDS);
  const all = await session.all();
  const found: DeviceRef[] = [];
  await eachOf(
    session,
    refs,
    (ref) => existing(session, ref),
    (view) => {
      if (infoRow(view, all, isSelected).isSelected) found.push(named(view.name));
    },
  );
  return found;
}

function usersOf({ name }: MappedView, all: readonly MappedView[]): MappedView[] {
  return all.filter(({ dependencies }) => dependencies.some(({ mapped }) => mapped === name));
}

function isOneOfMany({ options }: Session, refs: readonly DeviceRef[] | null): boolean {
  return refs === null || refs.length > 1 || options.select !== null;
}

/** With the device's name in front, unless it was the only one asked for. */
function printLines(
  session: Session,
  refs: readonly DeviceRef[] | null,
  { name, live, inactive }: MappedView,
  lines: readonly string[],
): void {
  const { target, inactive: isInactive } = session.options;
  const targets = (isInactive ? inactive : live)?.targets ?? [];
  const prefix = isOneOfMany(session, refs) ? `${name}: ` : "";
  const shown = lines.filter((_line, at) => target === null || targets[at]?.type === target);
  for (const line of shown) session.print(`${prefix}${line}`);
  if (lines.length === 0 && target === null) session.print(prefix);
  session.result({ name, lines: shown });
}

export async function runTable(session: Session, refs: readonly DeviceRef[] | null): Promise<void> {
  const find = (ref: DeviceRef): Promise<MappedView> => session.need("table", ref);
  const { concise, inactive } = session.options;
  if (!concise) {
    await eachOf(session, refs, find, (view) => {
      tellInfo(session, view);
      printLines(session, refs, view, (inactive ? view.inactive : view.live)?.lines ?? []);
    });
    return;
  }
  const described: string[] = [];
  await eachOf(session, refs, find, (view) => {
    const { name, uuid, minor, isReadOnly: readOnly } = view;
    const lines = (inactive ? view.inactive : view.live)?.lines ?? [];
    described.push(formatConcise({ name, uuid, minor, readOnly, lines }));
  });
  if (described.length > 0) session.print(described.join(";"));
  session.result({ concise: described.join(";") });
}

export async function runStatus(
  session: Session,
  refs: readonly DeviceRef[] | null,
): Promise<void> {
  const { inactive, noFlush } = session.options;
  await eachOf(
    session,
    refs,
    (ref) => existing(session, ref),
    async (view) => {
      tellInfo(session, view);
      const device = view.name;
      const lines = await (await session.host()).mappedStatus({ device, inactive, noFlush });
      printLines(session, refs, view, lines);
    },
  );
}

type NameKind = "devno" | "blkdevname" | "devname";

/** What stands in brackets for a device. @throws WrongOption */
function nameKind({ fields }: Session["options"]): NameKind {
  const kinds = (fields ?? "devno").split(",");
  const wrong = kinds.find((kind) => !["devno", "blkdevname", "devname"].includes(kind));
  if (wrong !== undefined) throw new WrongOption(`Option not recognised: ${wrong}.`);
  // The name of the block device counts most, as dmsetup has it.
  if (kinds.includes("blkdevname")) return "blkdevname";
  return kinds.includes("devname") ? "devname" : "devno";
}

export async function runDeps(session: Session, refs: readonly DeviceRef[] | null): Promise<void> {
  const kind = nameKind(session.options);
  await eachOf(
    session,
    refs,
    (ref) => session.need("deps", ref),
    (view) => {
      tellInfo(session, view);
      const { name, dependencies } = view;
      const prefix = isOneOfMany(session, refs) ? `${name}: ` : "";
      const texts = dependencies.map((each) => ` (${dependencyText(each, kind)})`).join("");
      session.print(`${prefix}${dependencies.length} dependencies\t:${texts}`);
      session.result({ name, dependencies });
    },
  );
}

function dependencyText(
  { major, minor, blockName, mapped }: MappedDependency,
  kind: NameKind,
): string {
  switch (kind) {
    case "devno":
      return `${major}, ${minor}`;
    case "blkdevname":
      return blockName;
    case "devname":
      return mapped === null ? blockName : mangled(mapped);
  }
}

export async function runLs(session: Session): Promise<void> {
  const { tree, target, fields, exec } = session.options;
  const kind = tree ? "devno" : nameKind(session.options);
  const switches = tree ? treeSwitches(fields) : new Set<never>();
  if (typeof switches === "string")
    throw new WrongOption(`Tree options not recognised: ${switches}.`);
  const all = await session.all();
  const shown = all.filter(
    ({ live }) => target === null || live?.targets.some(({ type }) => type === target),
  );
  for (const view of all) session.result(view);
  if (all.length === 0) session.print("No devices found");
  else if (exec !== null) await runForEach(session, exec, shown);
  else if (tree) for (const line of new TreeText(switches).lines(all)) session.print(line);
  else
    for (const view of shown)
      session.print(`${view.name}\t(${target === null ? ownText(view, kind) : comma(view)})`);
}

function comma({ major, minor }: MappedView): string {
  return `${major}, ${minor}`;
}

/** The program with its words and, as the last one, the device. What became of it is not asked. */
async function runForEach(
  session: Session,
  exec: string,
  views: readonly MappedView[],
): Promise<void> {
  const [program, ...words] = exec.split(/\s+/).filter(Boolean);
  if (program === undefined) throw new HoldfastError("usage", "There is no program to run.");
  for (const { name } of views) {
    await session.flush();
    await session.tools
      .runProgram(program, [...words, `/dev/mapper/${name}`])
      .catch((thrown: unknown) => session.warn(`${program}: ${toHoldfastError(thrown).message}`));
  }
}

function ownText({ name, major, minor }: MappedView, kind: NameKind): string {
  switch (kind) {
    case "devno":
      return `${major}:${minor}`;
    case "blkdevname":
      return `dm-${minor}`;
    case "devname":
      return mangled(name);
  }
}
