/**
 * `holdfast open`: assembles volumes and serves them over NBD until it is interrupted.
 *
 *   start the engine -> assemble, with overlays -> listen -> print -> wait for SIGINT, SIGTERM or SIGHUP -> stop the engine
 *
 * All that is done for clients is done by the engine in a thread of its own, so this one can always answer. A second signal ends the process
 * at once. The disks are only read, whatever clients write goes to the overlay; with --read-write it goes to the disks, and the stop leaves
 * their arrays clean.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { Access, OpenedByEngine, RunningEngine, Serving } from "../../engine/engine.ts";
import type { Command, CommandContext, ParsedArguments } from "../command.ts";
import { EXIT_DONE } from "../exit-codes.ts";
import { FiguresTeller } from "../figures.ts";
import { Interruption } from "../interruption.ts";
import { SyncTeller } from "../sync-progress.ts";
import { choosePlace, removeLeftovers } from "../listen.ts";
import type { ListenPlace } from "../listen.ts";
import { placesOf, requestOf, tellRefused } from "../open-volumes.ts";
import type { Places } from "../open-volumes.ts";
import { shellWord } from "../../base/shell.ts";
import type { ServedVolume } from "../views/open-view.ts";
import { CONCISE, JSON_OUTPUT, OPENING, PATHS } from "./options.ts";

interface Wanted {
  readonly access: Access;
  readonly places: Places;
}

/** `--overlay WORD`: a WORD that is a file or a device is a disk that stands behind a plain --overlay. */
async function sortOut({ env }: CommandContext, args: ParsedArguments): Promise<Wanted> {
  const folder = args.value("overlay") ?? null;
  if (folder === null) {
    return { access: accessOf(args), places: neededPlaces(args, args.operands, null) };
  }
  const found = folder === "missing" ? null : await env.files.stat(folder);
  if (folder === "missing" || (found !== null && found.kind !== "folder")) {
    return {
      access: { kind: "overlay", folder: null },
      places: { paths: [folder, ...args.operands] },
    };
  }
  const places = neededPlaces(args, args.operands, folder);
  if (found === null) await env.files.makeFolder(folder, 0o700);
  return { access: { kind: "overlay", folder }, places };
}

function accessOf(args: ParsedArguments): Access {
  if (args.has("overlay")) return { kind: "overlay", folder: null };
  return { kind: args.has("read-write") ? "read-write" : "read-only" };
}

/** Paths, or --concise alone. @param overlay what was taken as its folder */
function neededPlaces(
  args: ParsedArguments,
  paths: readonly string[],
  overlay: string | null,
): Places {
  return args.has("concise") ? placesOf("open", paths, args) : { paths: needPaths(paths, overlay) };
}

function needPaths(paths: readonly string[], overlay: string | null): readonly string[] {
  if (paths.length > 0) return paths;
  const taken =
    overlay === null
      ? ""
      : `: ${overlay} was taken as the folder of --overlay, which comes last or as --overlay=DIR`;
  throw new HoldfastError(
    "usage",
    `open: missing required argument 'PATH'${taken}; see 'holdfast open --help'.`,
  );
}

function servedVolumes(
  { volumes }: OpenedByEngine,
  names: readonly string[],
  { uris }: Serving,
): ServedVolume[] {
  return volumes.map((volume, index) => ({ ...volume, name: names[index]!, uri: uris[index]! }));
}

function exportNames({ volumes }: OpenedByEngine, place: ListenPlace): string[] {
  if (place.exportName === "") return volumes.map(({ name }) => name);
  if (volumes.length === 1) return [place.exportName];
  throw new HoldfastError(
    "usage",
    `--nbd names the export ${place.exportName}, but there are ${volumes.length} volumes; leave the name out, or choose one with --volume.`,
  );
}

async function assemble(
  context: CommandContext,
  args: ParsedArguments,
  engine: RunningEngine,
  { access, places }: Wanted,
): Promise<OpenedByEngine> {
  const request = requestOf(places, args);
  const opened = await engine.open({ request, access });
  await tellRefused(context, request, opened);
  if (access.kind === "overlay") {
    const { folder } = access;
    const where = folder === null ? "in memory" : `in files in ${shellWord(folder)}`;
    await context.output.note(
      `what is written is kept ${where} until the end, and never reaches the disks`,
    );
  }
  return opened;
}

/** From the listening to the signal. */
async function serve(
  context: CommandContext,
  args: ParsedArguments,
  engine: RunningEngine,
  opened: OpenedByEngine,
  place: ListenPlace,
  interrupted: Promise<void>,
): Promise<void> {
  const { output } = context;
  const access = accessOf(args).kind;
  const names = exportNames(opened, place);
  const serving = await engine.serve({
    listen: place.address,
    exports: opened.volumes.map(({ name, report }, index) => ({
      volume: name,
      name: names[index]!,
      description: `${report.level} of ${report.raidDisks} disks, ${report.state}`,
    })),
    ...(place.tls === null ? {} : { tls: place.tls }),
  });
  const served = servedVolumes(opened, names, serving);
  if (args.has("json")) await output.jsonLine(readyEvent(served, opened));
  else {
    const { openLines } = await import("../views/open-view.ts");
    await output.lines(openLines(served, serving.address, access, output.tableStyle));
  }
  const teller = new SyncTeller(context, engine);
  if (access === "read-write") teller.start();
  const death = await Promise.race([interrupted, engine.died]);
  await teller.finish();
  if (death !== undefined) throw death;
}

function readyEvent(volumes: readonly ServedVolume[], { refused }: OpenedByEngine): object {
  return { event: "ready", volumes, refused };
}

export const command: Command = {
  meta: {
    name: "open",
    summary: "assemble volumes and serve them over NBD, read-only, with an overlay or for writing",
    description: [
      "Assembles the sets that the disks make up and serves each as an NBD export of its name, until Ctrl-C. Any NBD client can use it: nbdinfo, nbdcopy, nbdfuse, qemu, the Linux kernel's nbd-client.",
      "The disks are only read. With --overlay clients can write too: what they write is kept beside the disks and thrown away at the end. With --read-write they write to the disks.",
      "Without --nbd the server listens on a unix socket in a folder of its own that only this user can enter.",
      "On SIGUSR1 it prints what it has done so far, what memory it takes and how promptly its threads run.",
    ],
    arguments: [{ ...PATHS, checkedByVerb: true }],
    options: [
      ...OPENING,
      CONCISE,
      {
        long: "overlay",
        value: { name: "DIR", optional: true, completes: "folders" },
        conflicts: ["read-write"],
        text: "take writes, and keep them in memory (up to 1 GiB) or in files in the folder DIR; write --overlay=DIR, or put it last",
      },
      {
        long: "read-write",
        text: "write to the disks themselves: redundancy is kept up, and repaired where it is not whole; they are had by nobody else meanwhile, and clean at the end",
      },
      {
        long: "nbd",
        value: { name: "URI", completes: "nothing" },
        text: "where to listen: nbd://localhost:10809, or nbd+unix:///?socket=PATH",
      },
      {
        long: "tls-certificates",
        value: { name: "DIR", completes: "folders" },
        conflicts: ["tls-psk"],
        text: "offer TLS with server-cert.pem and server-key.pem in DIR; with a ca-cert.pem there clients must have a certificate too",
      },
      {
        long: "tls-psk",
        value: { name: "FILE", completes: "files" },
        text: "offer TLS with the pre-shared keys in FILE, lines of user:hex",
      },
      { long: "tls-required", text: "turn away clients that do not use TLS" },
      {
        ...JSON_OUTPUT,
        text: "print a line of JSON once it is ready, for each SIGUSR1, and at the end (docs/json.md)",
      },
    ],
    examples: [
      {
        command: "holdfast open disk1.img disk2.img disk3.img",
        text: "Serve what three images make up, on a unix socket.",
      },
      {
        command: "holdfast open ./images --nbd nbd://localhost:10809",
        text: "Serve on TCP, for this machine only.",
      },
      {
        command: "holdfast open /dev/sd[bcd]1 --force --overlay",
        text: "Start a set that needs force, and try a repair of its file system without touching the disks.",
      },
      {
        command: "holdfast open /dev/sd[bcd]1 --read-write --nbd nbd://localhost",
        text: "Serve for writing; a resync that is due is done meanwhile.",
      },
      {
        command:
          "holdfast open ./images --nbd nbds://0.0.0.0 --tls-certificates ./pki --tls-required",
        text: "Serve other machines, with TLS.",
      },
    ],
  },
  async run(context, args) {
    const wanted = await sortOut(context, args);
    // From the start: what is made on the way is taken away again, however early the signal comes.
    const signal = new Interruption(context);
    const engine = await context.services.startEngine();
    const watched = await context.services.watchProcess();
    const figures = new FiguresTeller(context, args.has("json"), watched);
    const forgetFigures = figures.listen(engine);
    try {
      try {
        const opened = await assemble(context, args, engine, wanted);
        const place = await choosePlace(context, args);
        signal.leftovers = place.made;
        await serve(context, args, engine, opened, place, signal.happened);
      } finally {
        await engine.stop();
      }
      await figures.stopped((await engine.stop()).figures);
    } finally {
      await removeLeftovers(context, signal.leftovers);
      forgetFigures();
      signal.forget();
    }
    return EXIT_DONE;
  },
};
