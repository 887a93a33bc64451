/**
 * The real kernel as the judge of crashed arrays: user-mode-linux, a kernel that is a program. Its root is this machine's own, read-only,
 * through hostfs, so it needs nothing but mdadm and busybox; what it is asked, and what it says, lies in one folder. Here is what is asked and
 * what the answers mean; running it and the files are somebody else's.
 */
import { shellWord } from "../base/shell.ts";
import type { MdLevel } from "../formats/md/superblock.ts";

export interface CrashedArray {
  /** Of its files; a word for a shell. */
  readonly name: string;
  /** For whoever reads that something is wrong with it. */
  readonly title: string;
  /** Files in the folder, a member each. */
  readonly images: readonly string[];
  readonly level: MdLevel;
  /** Nobody starts it otherwise. */
  readonly needsForce: boolean;
  readonly wrongIn: (content: Uint8Array) => readonly string[];
}

/** In the folder: what the guest runs first, and what it prints. */
export const GUEST_SCRIPT = "guest.sh";
export const GUEST_CONSOLE = "console.txt";
/** Debian packages by what is needed of them. */
export const GUEST_PACKAGES = {
  "linux.uml": "user-mode-linux",
  busybox: "busybox-static",
  mdadm: "mdadm",
} as const;

/**
 * Not a raid4 that is to be forced: if it is its parity that is missing mdadm takes it for complete enough to need no force, leaves it dirty,
 * and the kernel refuses what is dirty and degraded.
 */
export function canBeJudged({ level, needsForce }: CrashedArray): boolean {
  return !(needsForce && level === "raid4");
}

const BOOT_SECONDS = 60;
const SECONDS_EACH = 20;

/** Members are copied into memory: what the kernel writes does not change the images. */
const GUEST = String.raw`export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/tmp MDADM_NO_UDEV=1
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /mnt
mkdir /mnt/host
mount -t hostfs -o "$HFSHARE" none /mnt/host
mount -t tmpfs none /run
mkdir /run/mdadm /run/members
H=/mnt/host
uname -r >$H/kernel

modules=/usr/lib/uml/modules/$(uname -r)
load() { # NAME PARAMETER...: those it needs come first, the nearest last
	lo_name=$1; shift
	lo_list=$(sed -n "s|^\(kernel/[^:]*/$lo_name\.ko\):\(.*\)|\1 \2|p" $modules/modules.dep | tr ' ' '\n' | sed '/^$/d' | tac)
	for lo_each in $lo_list; do
		case $lo_each in */$lo_name.ko) insmod $modules/$lo_each "$@" ;; *) insmod $modules/$lo_each ;; esac
	done 2>/dev/null
}
load loop max_loop=64
for each in raid1 raid10 raid456; do load $each; done

until_true() { # SECONDS COMMAND...
	ut_left=$(($1 * 50)); shift
	until "$@"; do
		ut_left=$((ut_left - 1))
		[ $ut_left -gt 0 ] || { echo "timed out: $*"; return 1; }
		usleep 20000
	done
}
value() { cat /sys/block/md0/md/$1 2>/dev/null; }
idle() { # nothing runs, and nothing is about to start
	for id_turn in 1 2 3; do
		[ "$(value sync_action)" = idle ] || return 1
		usleep 5000
	done
}
filling() { # a member in a slot does not hold all that it should
	for fi_dev in /sys/block/md0/md/dev-*; do
		case "$(cat $fi_dev/slot) $(cat $fi_dev/recovery_start)" in *' none') ;; [0-9]*) return 0 ;; esac
	done
	return 1
}
rest() { # before a recovery, and between it and the resync that comes after it, the kernel is idle for a moment
	idle && ! filling && case "$(value degraded) $(value resync_start)" in "0 none" | [1-9]*) ;; *) false ;; esac
}
pass() { # WORD
	echo $1 >/sys/block/md0/md/sync_action && until_true 60 idle
}
stop() { mdadm -S /dev/md0 2>/dev/null; }

judge() { # NAME FORCE IMAGE...: started, read, synced, checked, read again
	ju_name=$1 ju_force=$2 ju_count=0 ju_nodes=; shift 2
	for ju_image in "$@"; do
		cp $H/$ju_image /run/members/$ju_count
		losetup /dev/loop$ju_count /run/members/$ju_count
		ju_nodes="$ju_nodes /dev/loop$ju_count" ju_count=$((ju_count + 1))
	done
	mdadm -A --run $ju_force /dev/md0 $ju_nodes
	dd if=/dev/md0 of=$H/$ju_name.first bs=64k 2>/dev/null
	echo idle >/sys/block/md0/md/sync_action
	until_true 60 rest
	[ -z "$ju_force" ] || pass repair
	pass check
	echo "mismatches $(value mismatch_cnt)"
	blockdev --flushbufs /dev/md0
	dd if=/dev/md0 of=$H/$ju_name.synced bs=64k 2>/dev/null
	until_true 10 stop
}
one() {
	(set -e; judge "$@") >$H/$1.log 2>&1
	echo "$1 $?" >>$H/judged
	stop
	for on_each in /run/members/*; do losetup -d /dev/loop$(basename $on_each); rm $on_each; done 2>/dev/null
}
`;

/** What the guest does. @param busybox its path */
export function guestScript(busybox: string, crashes: readonly CrashedArray[]): string {
  const lines = crashes.map(({ name, needsForce, images }) =>
    ["one", name, needsForce ? "--force" : "''", ...images.map(shellWord)].join(" "),
  );
  // Before that /proc is the host's, where busybox finds the kernel instead of itself.
  const first = `${busybox} mount -t proc none /proc`;
  return [`#!${busybox} sh`, first, GUEST, ...lines, "sync", "poweroff -f", ""].join("\n");
}

/**
 * Words for a shell that boots it, and ends it if it does not end by itself. A guest in order takes 3 seconds, and a tenth of one for an array.
 * @param folder an absolute path
 */
export function guestCommand(kernel: string, folder: string, arrays: number): readonly string[] {
  const seconds = BOOT_SECONDS + SECONDS_EACH * arrays;
  const words = [
    "mem=512M",
    "root=/dev/root",
    "rootfstype=hostfs",
    "rootflags=/",
    "ro",
    `init=${folder}/${GUEST_SCRIPT}`,
    "con=null",
    "con0=fd:0,fd:1",
    `HFSHARE=${folder}`,
    // Its control socket and its pid file.
    `uml_dir=${folder}`,
    "umid=guest",
  ].map(shellWord);
  const console = shellWord(`${folder}/${GUEST_CONSOLE}`);
  return [
    "-c",
    `exec timeout -k 5 ${seconds} ${shellWord(kernel)} ${words.join(" ")} </dev/null >${console} 2>&1`,
  ];
}

/** What the guest has left in its folder; null: there is no such file. */
export type Answers = (file: string) => Promise<Uint8Array | null>;

/** @returns what is wrong, a line each */
export async function verdict(crash: CrashedArray, answers: Answers): Promise<string[]> {
  const { name, title, wrongIn } = crash;
  const log = textOf(await answers(`${name}.log`));
  const exits = textOf(await answers("judged")).split("\n");
  const wrong: string[] = [];
  if (!exits.includes(`${name} 0`) || !log.split("\n").includes("mismatches 0"))
    wrong.push(`the kernel did not bring it to rest: ${log.trim() || "it never came to it"}`);
  else
    for (const when of ["first", "synced"]) {
      const content = await answers(`${name}.${when}`);
      wrong.push(...wrongIn(content ?? new Uint8Array(0)).slice(0, 3));
    }
  return wrong.map((line) => `${title}: ${line}`);
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? "" : Buffer.from(bytes).toString();
}
