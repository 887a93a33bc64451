/**
 * `holdfast open`: assembles volumes and serves them over NBD until it is interrupted.
 *
 *   assemble -> overlays -> listen -> print -> wait for SIGINT, SIGTERM or SIGHUP -> drain the server -> close everything
 *
 * A second signal ends the process at once. The disks are only read, whatever clients write goes to the overlay.
 */
import { HoldfastError } from "../../base/errors.ts";
import { SECTOR_BYTES } from "../../base/units.ts";
import type { BlockDevice } from "../../block/device.ts";
import type { OpenedVolumes } from "../../volume/volume.ts";
import type { Command, CommandContext, ParsedArguments } from "../command.ts";
import { EXIT_DONE, EXIT_FAILED } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { choosePlace } from "../listen.ts";
import type { ListenPlace } from "../listen.ts";
import { withVolumes } from "../open-volumes.ts";
import type { RunningServer } from "../services.ts";
import { shellWord } from "../../base/shell.ts";
import type { ServedVolume } from "../views/open-view.ts";
import { JSON_OUTPUT, OPENING, PATHS } from "./options.ts";

interface OverlayChoice {
  readonly isOn: boolean;
  /** Null: in memory. */
  readonly folder: string | null;
}

/** `--overlay WORD`: a WORD that is a file or a device is a disk that stands behind a plain --overlay. */
async function sortOutOverlay(
  { env }: CommandContext,
  args: ParsedArguments,
): Promise<{ overlay: OverlayChoice; paths: readonly string[] }> {
  const folder = args.value("overlay") ?? null;
  const overlay = { isOn: args.has("overlay"), folder };
  if (folder === null) return { overlay, paths: needPaths(args.operands, null) };
  const found = folder === "missing" ? null : await env.files.stat(folder);
  if (folder === "missing" || (found !== null && found.kind !== "folder")) {
    return { overlay: { ...overlay, folder: null }, paths: [folder, ...args.operands] };
  }
  const paths = needPaths(args.operands, folder);
  if (found === null) await env.files.makeFolder(folder, 0o700);
  return { overlay, paths };
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

function refuseReadWrite(args: ParsedArguments): void {
  if (!args.has("read-write")) return;
  throw new HoldfastError(
    "unsupported",
    "--read-write is not there yet: Holdfast does not write to members; use --overlay, which takes writes and leaves the disks as they are.",
  );
}

interface LaidOver {
  readonly devices: readonly BlockDevice[];
  close(): Promise<void>;
}

async function layOverlays(
  { env, services, output }: CommandContext,
  { volumes }: OpenedVolumes,
  overlay: OverlayChoice,
): Promise<LaidOver> {
  const bases = volumes.map(({ device }) => device);
  if (!overlay.isOn) return { devices: bases, close: () => Promise.resolve() };
  const devices: BlockDevice[] = [];
  const close = async (): Promise<void> => {
    for (const device of devices) await device.close();
  };
  try {
    for (const base of bases) devices.push(await services.overlay(env, base, overlay.folder));
  } catch (error) {
    await close();
    throw error;
  }
  const where = overlay.folder === null ? "in memory" : `in files in ${shellWord(overlay.folder)}`;
  await output.note(`what is written is kept ${where} until the end, and never reaches the disks`);
  return { devices, close };
}

/** `happened` resolves at the first signal; the second one ends the process. */
class Interruption {
  readonly happened: Promise<void>;
  readonly forget: () => void;

  constructor({ terminal, output }: CommandContext) {
    let resolve: () => void;
    this.happened = new Promise((resolved) => {
      resolve = resolved;
    });
    this.forget = terminal.onInterrupt((count) => {
      if (count > 1) {
        terminal.exitNow(EXIT_FAILED);
        return;
      }
      void output.note("stopping once requests in flight are done; a second signal stops at once");
      resolve();
    });
  }
}

function servedVolumes(
  { volumes }: OpenedVolumes,
  devices: readonly BlockDevice[],
  names: readonly string[],
  server: RunningServer,
): ServedVolume[] {
  return volumes.map(({ report }, index) => {
    const name = names[index]!;
    const device = devices[index]!;
    return {
      name,
      uri: server.uri(name),
      sizeBytes: device.sectors * SECTOR_BYTES,
      readOnly: device.limits.readOnly,
      report,
    };
  });
}

function exportNames({ volumes }: OpenedVolumes, place: ListenPlace): string[] {
  if (place.exportName === "") return volumes.map(({ name }) => name);
  if (volumes.length === 1) return [place.exportName];
  throw new HoldfastError(
    "usage",
    `--nbd names the export ${place.exportName}, but there are ${volumes.length} volumes; leave the name out, or choose one with --volume.`,
  );
}

async function serve(
  context: CommandContext,
  args: ParsedArguments,
  opened: OpenedVolumes,
  devices: readonly BlockDevice[],
  interrupted: Promise<void>,
): Promise<ExitCode> {
  const { env, services, output } = context;
  const place = await choosePlace(context, args);
  try {
    const names = exportNames(opened, place);
    const server = await services.serve(env, {
      listen: place.address,
      exports: opened.volumes.map(({ report }, index) => ({
        name: names[index]!,
        description: `${report.level} of ${report.raidDisks} disks, ${report.state}`,
        device: devices[index]!,
      })),
      ...(place.tls === null ? {} : { tls: place.tls }),
    });
    try {
      const served = servedVolumes(opened, devices, names, server);
      if (args.has("json")) await output.jsonLine(readyEvent(served, opened));
      else {
        const { openLines } = await import("../views/open-view.ts");
        await output.lines(openLines(served, server.address, output.tableStyle));
      }
      await interrupted;
    } finally {
      await server.stop();
    }
  } finally {
    await place.clean();
  }
  return EXIT_DONE;
}

function readyEvent(volumes: readonly ServedVolume[], { refused }: OpenedVolumes): object {
  return { event: "ready", volumes, refused };
}

export const command: Command = {
  meta: {
    name: "open",
    summary: "assemble volumes and serve them over NBD, read-only or with an overlay",
    description: [
      "Assembles the sets that the disks make up and serves each as an NBD export of its name, until Ctrl-C. Any NBD client can use it: nbdinfo, nbdcopy, nbdfuse, qemu, the Linux kernel's nbd-client.",
      "The disks are only read. With --overlay clients can write too: what they write is kept beside the disks and thrown away at the end.",
      "Without --nbd the server listens on a unix socket in a folder of its own that only this user can enter.",
    ],
    arguments: [{ ...PATHS, checkedByVerb: true }],
    options: [
      ...OPENING,
      {
        long: "overlay",
        value: { name: "DIR", optional: true, completes: "folders" },
        conflicts: ["read-write"],
        text: "take writes, and keep them in memory (up to 1 GiB) or in files in the folder DIR; write --overlay=DIR, or put it last",
      },
      { long: "read-write", text: "write to the disks themselves: not there yet" },
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
      { ...JSON_OUTPUT, text: "print one line of JSON once it is ready (docs/json.md)" },
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
        command:
          "holdfast open ./images --nbd nbds://0.0.0.0 --tls-certificates ./pki --tls-required",
        text: "Serve other machines, with TLS.",
      },
    ],
  },
  async run(context, args) {
    refuseReadWrite(args);
    const { overlay, paths } = await sortOutOverlay(context, args);
    // From the start: what is made on the way is taken away again, however early the signal comes.
    const signal = new Interruption(context);
    try {
      return await withVolumes(context, paths, args, async (opened) => {
        const laid = await layOverlays(context, opened, overlay);
        try {
          return await serve(context, args, opened, laid.devices, signal.happened);
        } finally {
          await laid.close();
        }
      });
    } finally {
      signal.forget();
    }
  },
};
