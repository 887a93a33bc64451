/**
 * The outside programs that tests are judged by, in one table: which Debian package brings which program.
 * `scripts/test.mjs` installs what is missing, `test/support/peers.ts` asks whether a program is there, so
 * neither can know of a program that the other does not.
 *
 * A new peer is one line here. Node built-ins only: this runs before anything is installed.
 */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * @typedef {object} Peer
 * @property {string} package Debian (and Ubuntu) name.
 * @property {readonly string[]} programs The programs of it that tests may ask for.
 */

/** @type {readonly Peer[]} */
export const PEERS = [
  // The kernel and its own tools.
  { package: "user-mode-linux", programs: ["linux.uml"] },
  { package: "busybox-static", programs: ["busybox"] },
  { package: "mdadm", programs: ["mdadm"] },
  { package: "dmsetup", programs: ["dmsetup"] },
  { package: "lvm2", programs: ["lvm"] },
  { package: "thin-provisioning-tools", programs: ["thin_check", "thin_dump", "thin_restore"] },
  // NBD clients and servers.
  { package: "libnbd-bin", programs: ["nbdinfo", "nbdcopy"] },
  { package: "python3-libnbd", programs: ["nbdsh"] },
  { package: "nbdkit", programs: ["nbdkit"] },
  { package: "qemu-utils", programs: ["qemu-img", "qemu-io", "qemu-nbd"] },
  { package: "fio", programs: ["fio"] },
  { package: "gnutls-bin", programs: ["certtool", "gnutls-cli"] },
  { package: "openssl", programs: ["openssl"] },
  // File systems and partition tables.
  {
    package: "e2fsprogs",
    programs: ["mke2fs", "e2fsck", "debugfs", "dumpe2fs", "tune2fs", "resize2fs"],
  },
  { package: "xfsprogs", programs: ["mkfs.xfs", "xfs_repair", "xfs_db"] },
  { package: "btrfs-progs", programs: ["mkfs.btrfs", "btrfs"] },
  { package: "dosfstools", programs: ["mkfs.fat"] },
  { package: "exfatprogs", programs: ["mkfs.exfat"] },
  { package: "ntfs-3g", programs: ["mkntfs"] },
  { package: "f2fs-tools", programs: ["mkfs.f2fs"] },
  { package: "squashfs-tools", programs: ["mksquashfs"] },
  { package: "genisoimage", programs: ["genisoimage"] },
  { package: "bcache-tools", programs: ["make-bcache"] },
  { package: "util-linux", programs: ["blkid", "mkswap"] },
  { package: "cryptsetup-bin", programs: ["cryptsetup", "integritysetup"] },
  { package: "gdisk", programs: ["sgdisk"] },
  { package: "fdisk", programs: ["sfdisk"] },
  { package: "parted", programs: ["parted"] },
  { package: "zstd", programs: ["zstd"] },
];

// Administrators' programs are not always on an ordinary user's PATH.
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/**
 * Where a program lies, or undefined.
 * @param {string} program
 * @returns {string | undefined}
 */
export function findProgram(program) {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_FOLDERS];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, program))
    .find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The Debian package that brings a program. Throws when the table does not know it.
 * @param {string} program
 * @returns {string}
 */
export function packageOf(program) {
  const peer = PEERS.find((each) => each.programs.includes(program));
  if (peer === undefined) {
    throw new Error(
      `No package is known for "${program}": add it to the table in scripts/peers.mjs.`,
    );
  }
  return peer.package;
}

/**
 * The packages of which at least one program is missing here.
 * @returns {string[]}
 */
export function missingPackages() {
  return PEERS.filter((peer) => !peer.programs.every((program) => findProgram(program))).map(
    (peer) => peer.package,
  );
}
