/**
 * What arrays are called: "md0" to the kernel's tools, "/dev/md0" or "/dev/md/data" to people. The numbers are chosen as mdadm chooses
 * them: the one that the name is, where it is free, else the highest free one from 127 down, then from 511 down.
 */
import { HoldfastError } from "../base/errors.ts";
import type { ArrayNames } from "./array-host.ts";

export interface ChosenNames {
  readonly kernelName: string;
  readonly path: string;
  readonly minor: number;
}

const USUAL_NUMBERS = 128;
const NUMBERS = 512;
/** Kernels give minors from here on to arrays with names ("md_data"). */
const FIRST_NAMED_MINOR = 512;

const NUMBERED = /^md(0|[1-9]\d{0,2})$/;
const NAMED = /^md_([\w.-]+)$/;
const FOLDER = "/dev/md/";

function numberOf(kernelName: string): number | null {
  const digits = NUMBERED.exec(kernelName)?.[1];
  const number = digits === undefined ? NUMBERS : Number(digits);
  return number < NUMBERS ? number : null;
}

function freeNumber(taken: readonly ChosenNames[]): number {
  const used = new Set(taken.map(({ kernelName }) => kernelName));
  for (let number = USUAL_NUMBERS - 1; number >= 0; number -= 1)
    if (!used.has(`md${number}`)) return number;
  for (let number = NUMBERS - 1; number >= USUAL_NUMBERS; number -= 1)
    if (!used.has(`md${number}`)) return number;
  throw new HoldfastError("busy", `all ${NUMBERS} numbers of arrays are in use`);
}

/** The kernel's name that a path in /dev is; null for those in /dev/md/. */
function kernelNameIn(path: string): string | null {
  const name = path.startsWith("/dev/") ? path.slice("/dev/".length) : path;
  return numberOf(name) !== null || NAMED.test(name) ? name : null;
}

function checkPath(path: string): void {
  const isInFolder = path.startsWith(FOLDER) && /^[^/\s]+$/.test(path.slice(FOLDER.length));
  if (isInFolder || (path.startsWith("/dev/") && kernelNameIn(path) !== null)) return;
  const forms = "/dev/mdN with N below 512, /dev/md_NAME or /dev/md/NAME";
  throw new HoldfastError("usage", `${path} is no path for an array: give ${forms}`);
}

function checkKernelName(kernelName: string): void {
  if (kernelNameIn(kernelName) === kernelName) return;
  const forms = "mdN with N below 512, or md_NAME";
  throw new HoldfastError("usage", `${kernelName} is no name for an array: give ${forms}`);
}

function chosenKernelName(path: string, taken: readonly ChosenNames[]): string {
  const own = kernelNameIn(path);
  if (own !== null) return own;
  const name = path.slice(FOLDER.length);
  const wanted = `md${name}`;
  const isFree = numberOf(wanted) !== null && taken.every((one) => one.kernelName !== wanted);
  return isFree ? wanted : `md${freeNumber(taken)}`;
}

function minorOf(kernelName: string, taken: readonly ChosenNames[]): number {
  const number = numberOf(kernelName);
  if (number !== null) return number;
  let minor = FIRST_NAMED_MINOR;
  while (taken.some((one) => one.minor === minor)) minor += 1;
  return minor;
}

/** "/dev/md/NAME", with _0, _1... behind it where that is taken. */
function freePath(name: string, taken: readonly ChosenNames[]): string {
  const path = `${FOLDER}${name.replaceAll(/[/\s]/g, "_")}`;
  const isTaken = (one: string): boolean => taken.some((other) => other.path === one);
  if (!isTaken(path)) return path;
  let n = 0;
  while (isTaken(`${path}_${n}`)) n += 1;
  return `${path}_${n}`;
}

/**
 * @param ownName what the superblock says, for an array that is given no path; null: nothing
 * @throws HoldfastError `usage` for what is no name of an array, `busy` for one that is taken
 */
export function chooseNames(
  wanted: ArrayNames,
  ownName: string | null,
  taken: readonly ChosenNames[],
): ChosenNames {
  if (wanted.kernelName !== null) checkKernelName(wanted.kernelName);
  if (wanted.path !== null) checkPath(wanted.path);
  const path =
    wanted.path ??
    (wanted.kernelName === null && ownName !== null && ownName !== ""
      ? freePath(ownName, taken)
      : null);
  const kernelName =
    wanted.kernelName ?? (path === null ? `md${freeNumber(taken)}` : chosenKernelName(path, taken));
  const chosen = {
    kernelName,
    path: path ?? `/dev/${kernelName}`,
    minor: minorOf(kernelName, taken),
  };
  for (const one of taken)
    if (one.kernelName === kernelName || one.path === chosen.path)
      throw new HoldfastError("busy", `there is an array ${one.path} (${one.kernelName}) already`);
  return chosen;
}

/** Is the array meant? By its kernel name, that behind "/dev/", or its path. */
export function isCalled(names: ChosenNames, array: string): boolean {
  const { kernelName, path } = names;
  return array === kernelName || array === `/dev/${kernelName}` || array === path;
}
