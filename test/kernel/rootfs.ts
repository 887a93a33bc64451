/**
 * The root file system of the guests: a plain folder with busybox, mdadm and friends, built once a machine.
 *
 * It lies in the temporary folder under a name made of the digest of everything that goes in, is built aside and moved into place
 * in one step: parallel runs may both build it, one wins, and no guest ever sees half of it. Guests mount it read-only.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, packageOf } from "../../scripts/peers.mjs";

const MODULES_FOLDER = "/usr/lib/uml/modules";
/** Folders of modules the guests may load: md, dm, loop, nbd, and what those need. */
const MODULE_FOLDERS = ["crypto", "drivers/block", "drivers/md", "lib"];
const LVM_NAMES = [
  "pvcreate",
  "vgcreate",
  "lvcreate",
  "lvchange",
  "lvconvert",
  "vgchange",
  "vgscan",
];
/** What goes into /sbin. */
const PROGRAMS = ["mdadm", "dmsetup", "mke2fs", "e2fsck", "lvm"];
/** What tests with guests need, for `peerDescribe`. */
export const GUEST_PROGRAMS: readonly string[] = ["linux.uml", "busybox", ...PROGRAMS];

/** What a guest is made of, on this machine. */
export interface KernelPeer {
  /** Path of linux.uml. */
  readonly kernel: string;
  readonly modules: string;
  readonly version: string;
  readonly busybox: string;
  readonly programs: readonly string[];
}

function programPath(name: string): string {
  const path = findProgram(name);
  if (path === undefined) {
    throw new Error(`guests need ${name}: install the Debian package ${packageOf(name)}`);
  }
  return path;
}

/** Throws where no guest can run. */
export function kernelPeer(): KernelPeer {
  const version = existsSync(MODULES_FOLDER)
    ? readdirSync(MODULES_FOLDER).sort().at(-1)
    : undefined;
  if (version === undefined) throw new Error(`guests need their modules in ${MODULES_FOLDER}`);
  return {
    kernel: programPath("linux.uml"),
    busybox: programPath("busybox"),
    version,
    modules: join(MODULES_FOLDER, version),
    programs: PROGRAMS.map(programPath),
  };
}

/** The shared libraries of a program; empty for a static one. */
function librariesOf(program: string): string[] {
  try {
    const text = execFileSync("ldd", [program], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return [...text.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
  } catch {
    return [];
  }
}

function guestFile(name: string): string {
  return fileURLToPath(new URL(`./guest/${name}`, import.meta.url));
}

/** Path in the guest -> path here, of every file but the modules. */
function contents(peer: KernelPeer): Map<string, string> {
  const files = new Map<string, string>([
    ["/init", guestFile("init.sh")],
    ["/bin/busybox", peer.busybox],
  ]);
  for (const program of peer.programs) {
    files.set(join("/sbin", program.slice(program.lastIndexOf("/") + 1)), program);
    for (const library of librariesOf(program)) files.set(library, library);
  }
  return files;
}

function digestOf(peer: KernelPeer, files: ReadonlyMap<string, string>): string {
  const hash = createHash("sha256").update(peer.version);
  // The modules belong to the kernel package: their list stands for them.
  const list = join(peer.modules, "modules.dep");
  for (const [to, from] of [...files, ["modules.dep", list] as const]) {
    hash.update(`\0${to}\0`).update(readFileSync(from));
  }
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  return hash.digest("hex").slice(0, 16);
}

function copyModules(peer: KernelPeer, root: string): void {
  const to = join(root, "lib/modules", peer.version);
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(peer.modules)) {
    if (name.startsWith("modules.")) copyFileSync(join(peer.modules, name), join(to, name));
  }
  for (const folder of MODULE_FOLDERS) {
    cpSync(join(peer.modules, "kernel", folder), join(to, "kernel", folder), { recursive: true });
  }
}

function build(peer: KernelPeer, files: ReadonlyMap<string, string>, root: string): void {
  const folders = [
    "proc",
    "sys",
    "dev",
    "tmp",
    "run",
    "mnt",
    "etc/lvm",
    "var",
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
  ];
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  for (const [to, from] of files) {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
    chmodSync(join(root, to), 0o755);
  }
  const applets = execFileSync(peer.busybox, ["--list"], { encoding: "utf8" }).trim().split("\n");
  for (const applet of applets) {
    if (applet !== "busybox") symlinkSync("/bin/busybox", join(root, "bin", applet));
  }
  for (const name of LVM_NAMES) symlinkSync("lvm", join(root, "sbin", name));
  writeFileSync(join(root, "etc/passwd"), "root::0:0:root:/:/bin/sh\n");
  copyModules(peer, root);
}

let rootFolder: string | null = null;

/** The folder that guests have as their root; built if this machine does not have it yet. */
export function guestRoot(): string {
  if (rootFolder !== null) return rootFolder;
  const peer = kernelPeer();
  const files = contents(peer);
  const base = join(tmpdir(), `holdfast-guest-${userInfo().uid}`);
  mkdirSync(base, { recursive: true, mode: 0o700 });
  if (process.getuid !== undefined && statSync(base).uid !== process.getuid()) {
    throw new Error(`${base} belongs to somebody else`);
  }
  const root = join(base, `root-${digestOf(peer, files)}`);
  if (!existsSync(root)) {
    const aside = mkdtempSync(join(base, "building-"));
    build(peer, files, aside);
    try {
      renameSync(aside, root);
    } catch (error) {
      rmSync(aside, { recursive: true });
      // Somebody else was faster; theirs is the same.
      if (!existsSync(root)) throw error;
    }
  }
  rootFolder = root;
  return root;
}
