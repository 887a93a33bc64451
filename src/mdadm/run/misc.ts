/** Misc mode: each device with the action that was named before it, in order. */
import { HoldfastError } from "../../base/errors.ts";
import type { MiscAction, MiscCommand } from "../command.ts";
import {
  runArray,
  setAction,
  setReadOnly,
  setReadWrite,
  stopAll,
  stopArray,
  waitClean,
  waitFor,
} from "./control.ts";
import { runDetail, runDetailScan, runQuery } from "./detail.ts";
import { dumpMetadata, restoreMetadata } from "./dump.ts";
import { runExamine } from "./examine.ts";
import { runExamineBadBlocks, runExamineBitmap } from "./examine-logs.ts";
import type { Session } from "./session.ts";
import { zeroSuperblock } from "./zero.ts";

/** What exists for BIOS arrays and for udev only. */
function refuse(action: MiscAction): never {
  throw new HoldfastError(
    "unsupported",
    `--${action} is for arrays of a BIOS or for the machine's own device manager, and there are none here`,
  );
}

function runOne(
  session: Session,
  command: MiscCommand,
  { path, action }: { readonly path: string; readonly action: MiscAction },
): Promise<number> {
  switch (action) {
    case "query":
      return runQuery(session, command, path);
    case "detail":
      return runDetail(session, path);
    case "examine":
      return runExamine(session, command, [path]);
    case "examine-bitmap":
      return runExamineBitmap(session, command, path);
    case "examine-badblocks":
      return runExamineBadBlocks(session, command, path);
    case "zero-superblock":
      return zeroSuperblock(session, path);
    case "run":
      return runArray(session, path);
    case "stop":
      return stopArray(session, path);
    case "readonly":
      return setReadOnly(session, path);
    case "readwrite":
      return setReadWrite(session, path);
    case "wait":
      return waitFor(session, path);
    case "wait-clean":
      return waitClean(session, path);
    case "action":
      return setAction(session, path, command.syncAction!);
    case "dump":
      return dumpMetadata(session, command, path);
    case "restore":
      return restoreMetadata(session, command, path);
    case "detail-platform":
    case "kill-subarray":
    case "update-subarray":
    case "udev-rules":
      return refuse(action);
  }
}

/** --wait and --wait-clean of every array: one after the other. */
async function eachArray(
  session: Session,
  act: (session: Session, array: string) => Promise<number>,
): Promise<number> {
  let code = 0;
  for (const { path } of await (await session.host()).arrays()) code |= await act(session, path);
  return code;
}

function runScan(session: Session, command: MiscCommand): Promise<number> {
  switch (command.action) {
    case "detail":
      return runDetailScan(session);
    case "examine":
      return runExamine(session, command, []);
    case "stop":
      return stopAll(session);
    case "wait":
      return eachArray(session, waitFor);
    case "wait-clean":
      return eachArray(session, waitClean);
    default:
      return refuse(command.action);
  }
}

/** From here on nothing more is tried. */
const GIVE_UP = 16;

export async function runMisc(session: Session, command: MiscCommand): Promise<number> {
  if (command.devices.length === 0) return runScan(session, command);
  // Members of one array are shown together.
  if (command.devices.every(({ action }) => action === "examine"))
    return runExamine(
      session,
      command,
      command.devices.map(({ path }) => path),
    );
  let code = 0;
  for (const device of command.devices) {
    code |= await runOne(session, command, device);
    if ((code & GIVE_UP) !== 0) break;
  }
  return code;
}
