/** Opening volumes for the verbs, and saying what was found on the way. */
import { HoldfastError } from "../base/errors.ts";
import type { VolumeReport } from "../volume/report.ts";
import type { OpenedVolume, OpenedVolumes, OpenRequest } from "../volume/volume.ts";
import type { CommandContext, ParsedArguments } from "./command.ts";
import { listed, printable } from "./text.ts";
import { shapeText, trimStop } from "./views/verdict.ts";

/** Where to look: paths, or what --concise says in their place. */
export type Places = Pick<OpenRequest, "paths" | "concise">;

/** Of a verb with --concise. @throws HoldfastError `usage` for paths beside --concise, which names devices itself, and for neither */
export function placesOf(verb: string, paths: readonly string[], args: ParsedArguments): Places {
  const concise = args.value("concise");
  if (concise === undefined && paths.length === 0)
    throw new HoldfastError(
      "usage",
      `${verb}: missing required argument 'PATH'; see 'holdfast ${verb} --help'.`,
    );
  if (concise !== undefined && paths.length > 0)
    throw new HoldfastError(
      "usage",
      `${verb}: --concise names its devices itself, and ${paths.length === 1 ? "a path was" : "paths were"} given beside it: ${listed(paths, 3)}.`,
    );
  return concise === undefined ? { paths } : { paths, concise };
}

/** What the options say. @param places the paths, or what stands for them */
export function requestOf(places: Places, args: ParsedArguments): OpenRequest {
  const volume = args.value("volume");
  const backupFile = args.value("backup-file");
  const raid0Layout = args.value("raid0-layout");
  return {
    ...places,
    force: args.has("force"),
    ...(volume === undefined ? {} : { volume }),
    ...(backupFile === undefined ? {} : { backupFile }),
    // The parser takes no other words than these.
    ...(raid0Layout === "original" || raid0Layout === "alternate" ? { raid0Layout } : {}),
  };
}

/** Why a set was not opened, as one sentence. */
function refusal(report: VolumeReport): string {
  const who = `${report.name} (${shapeText(report)})`;
  const { verdict } = report;
  switch (verdict.kind) {
    case "can-start":
      return `${who} was not opened.`;
    case "needs-force":
      return `${who} needs --force: ${trimStop(verdict.reason)}; the risk: ${trimStop(verdict.risk)}.`;
    case "cannot-start":
      return `${who} cannot be opened: ${trimStop(verdict.reason)}; ${trimStop(verdict.remedy)}.`;
  }
}

function nothingOpened(refused: readonly VolumeReport[], request: OpenRequest): HoldfastError {
  const [only, ...others] = refused;
  if (only === undefined) {
    const where = listed(request.paths, 3);
    return request.volume === undefined
      ? new HoldfastError(
          "not-found",
          `no RAID set was found on ${where}; see 'holdfast scan' for what is there.`,
        )
      : new HoldfastError(
          "not-found",
          `there is no volume ${request.volume} on ${where}; 'holdfast scan' lists those there are.`,
        );
  }
  if (others.length === 0) return new HoldfastError("cannot-start", refusal(only));
  const names = listed(
    refused.map(({ name }) => name),
    5,
  );
  return new HoldfastError(
    "cannot-start",
    `none of the sets ${names} can be opened as it is; 'holdfast scan' says why for each.`,
  );
}

/** Warns about sets that were refused. @throws HoldfastError when nothing else was found */
export async function tellRefused(
  { output }: CommandContext,
  request: OpenRequest,
  { volumes, refused }: { volumes: readonly unknown[]; refused: readonly VolumeReport[] },
): Promise<void> {
  if (volumes.length === 0) throw nothingOpened(refused, request);
  for (const report of refused) await output.warning(refusal(report));
}

/**
 * Opens the volumes asked for, calls `use`, and closes them whatever happens. At least one is open; those that were
 * refused are warned about.
 */
export async function withVolumes<T>(
  context: CommandContext,
  places: Places,
  args: ParsedArguments,
  use: (opened: OpenedVolumes) => Promise<T>,
): Promise<T> {
  const request = requestOf(places, args);
  const opened = await context.services.open(context.env, request);
  try {
    await tellRefused(context, request, opened);
    return await use(opened);
  } finally {
    await opened.close();
  }
}

/** As withVolumes, for verbs that work on one volume: throws `usage` when there are several and none was chosen. */
export function withOneVolume<T>(
  context: CommandContext,
  places: Places,
  args: ParsedArguments,
  use: (volume: OpenedVolume) => Promise<T>,
): Promise<T> {
  return withVolumes(context, places, args, async ({ volumes }) => {
    const [only, ...others] = volumes;
    if (only === undefined || others.length > 0) {
      const names = volumes.map(({ name }) => printable(name)).join(", ");
      throw new HoldfastError(
        "usage",
        `the disks hold several volumes: choose one with --volume, of ${names}.`,
      );
    }
    for (const note of only.report.notes) await context.output.note(`${only.name}: ${note}`);
    return use(only);
  });
}
