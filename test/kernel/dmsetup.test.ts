/** dmsetup's words, columns and trees beside those of the real one: the same commands in a guest and here, what they print compared byte for byte. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { DmsetupMachine, shellWords } from "../support/dmsetup-run.ts";
import { peerDescribe } from "../support/peers.ts";
import { emptyDisk, testFolder } from "../support/temp.ts";
import { bootGuest } from "./guest.ts";
import { GUEST_PROGRAMS } from "./rootfs.ts";

const DISK_BYTES = 4 * 1024 * 1024;

/** $d0 and $d1 are two disks; $t a file with a table of four lines. */
const COMMANDS = `
dmsetup ls
dmsetup ls --tree
dmsetup info
dmsetup info -c
dmsetup table
dmsetup status
dmsetup create v --table "0 64 linear $d0 8"
dmsetup create v --table "0 64 linear $d0 8"
dmsetup create w --uuid LVM-abc --table "0 32 linear /dev/mapper/v 0"
dmsetup create w2 --uuid LVM-abc --table "0 32 linear /dev/mapper/v 0"
dmsetup create x $t
dmsetup create z -r --table "0 16 zero"
dmsetup -v create q -j 254 -m 77 --table "0 8 zero"
dmsetup create "a b" --table "0 8 zero"
dmsetup ls
dmsetup ls -o blkdevname
dmsetup ls -o devname
dmsetup ls --target zero
dmsetup ls --target none
dmsetup ls --tree
dmsetup ls --tree -o ascii,device,blkdevname,uuid,active,open,rw
dmsetup ls --tree -o nodevice
dmsetup ls --tree -o inverted
dmsetup ls --tree -o compact
dmsetup ls --tree -o compact,inverted
dmsetup ls --tree -o utf
dmsetup ls --tree -o vt100
dmsetup ls --tree -o none
dmsetup table
dmsetup table v
dmsetup table x v
dmsetup table "a b"
dmsetup table /dev/mapper/w
dmsetup table none
dmsetup table --target linear
dmsetup table --concise
dmsetup table --concise x
dmsetup table --inactive v
dmsetup -v table x
dmsetup status
dmsetup status x
dmsetup status --noflush x
dmsetup status --target zero
dmsetup status none
dmsetup deps
dmsetup deps x
dmsetup deps -o blkdevname x
dmsetup deps -o devname x
dmsetup deps -o none x
dmsetup deps none
dmsetup info
dmsetup info w
dmsetup info -u LVM-abc
dmsetup info -u none
dmsetup info -j 254 -m 77
dmsetup info -j 254 -m 78
dmsetup info none
dmsetup info -c
dmsetup info -c x v
dmsetup info -c v none
dmsetup info -C --noheadings
dmsetup info -c --noheadings --separator ,
dmsetup info -c --separator " | "
dmsetup info -c -o name,uuid,open
dmsetup info -c -o +read_ahead
dmsetup info -c -o name_all
dmsetup info -c -o info_all
dmsetup info -c -o deps_all
dmsetup info -c -o splitname_all
dmsetup info -c -o name,devs_used,device_ref_count,names_using_dev,devnos_using_dev,subsystem,lv_name --sort -name
dmsetup info -c -o uuid,name -O open,-name
dmsetup info -c -o name,minor --sort -minor
dmsetup info -c -o open,name --nameprefixes x
dmsetup info -c -o name,minor --nameprefixes --noheadings --unquoted
dmsetup info -c -o name,open --rows
dmsetup info -c -o name,open --rows --noheadings
dmsetup info -c -S name=v
dmsetup info -c -S name=none
dmsetup info -c -S "name=v || name=w"
dmsetup info -c -S "name=v,open=1"
dmsetup info -c -S "open>0"
dmsetup info -c -S "open>=1 && minor<1"
dmsetup info -c -S "name=~^[vw]$"
dmsetup info -c -S "name!~^[vw]$"
dmsetup info -c -S "name!=v"
dmsetup info -c -S "!(name=v)"
dmsetup info -c -S "uuid=''"
dmsetup info -c -S "name='a b'"
dmsetup info -c -S "name=a b"
dmsetup info -c -S "minor=x"
dmsetup info -c -S "(name=v"
dmsetup info -c -S ""
dmsetup info -c -S "name=v" v w
dmsetup info -c -S "name=v" w
dmsetup info -c -o name,selected -S "name=v"
dmsetup info -c -o name -S segments=1
dmsetup info -c -o name -S suspended=Active
dmsetup info -c -o name -S readonly=Read-only
dmsetup info -c -o name -S devno=254:0
dmsetup info -c -o name -S devs_used=v
dmsetup info -c -o name -S device_count=1
dmsetup info -c -o name -S read_ahead=256
dmsetup info -c -o name -S "attr=L--w"
dmsetup info -c -o name -S "name=v#name=w"
dmsetup info -c -o name -S "name =~ v|w"
dmsetup info -c -o name -S "names_using_dev=w"
dmsetup table -S name=v
dmsetup table -S name=none
dmsetup table -S name=v v w
dmsetup status -S name=~.
dmsetup status -S name=z
dmsetup deps -S name=w
dmsetup splitname vg-lv -S vg_name=vg
dmsetup splitname vg-lv -S vg_name=x
dmsetup suspend -S name=w
dmsetup info -c -S suspended=Suspended
dmsetup resume -S name=w
dmsetup table -S "name=~("
dmsetup ls --exec echo
dmsetup ls --exec "/no/such"
dmsetup ls --exec false
dmsetup ls --target zero --exec "echo a"
dmsetup ls --exec "echo a" --tree
dmsetup setgeometry v 1 2 3
dmsetup info -c -o name -O open --select "name=v"
dmsetup create n --table "0 8 zero" --notable
dmsetup create n --table "0 8 zero" --addnodeoncreate --addnodeonresume
dmsetup create n --table "0 8 zero" --readahead -5
dmsetup create n --table "0 8 zero" --manglename foo
dmsetup splitname vg-lv
dmsetup splitname my--vg-my--lv-layer
dmsetup splitname a--b-c-d-e
dmsetup splitname vg-lv NONE
dmsetup splitname vg-lv -o vg_name,lv_name
dmsetup splitname -c --noheadings vg-lv-x
dmsetup target-version linear
dmsetup remove v
dmsetup remove none
dmsetup remove
dmsetup remove -u none
dmsetup remove -f v
dmsetup table v
dmsetup load v --table "0 128 linear $d0 8"
dmsetup info v
dmsetup info -c v
dmsetup table --inactive v
dmsetup suspend v
dmsetup info v
dmsetup ls --tree -o active
dmsetup suspend none
dmsetup -v resume v
dmsetup table v
dmsetup load v --table "0 12 linear $d0 x"
dmsetup load v --table "0 12 none"
dmsetup load v --table "0 x zero"
dmsetup load v --table "0 12"
dmsetup load v --table "0 12 linear"
dmsetup load v --table "0 12 linear /dev/none 0"
dmsetup load v --table "0 12 zero"
dmsetup clear v
dmsetup info -c v
dmsetup clear none
dmsetup clear
dmsetup message v 0 hello
dmsetup message v x hello
dmsetup rename v newv
dmsetup rename newv w
dmsetup rename newv
dmsetup rename newv a/b
dmsetup rename newv --setuuid u1
dmsetup rename newv --setuuid u2
dmsetup info newv
dmsetup wait newv 9
dmsetup wait none
dmsetup create --concise "c1,,,,0 8 zero;c2,uuid2,,ro,0 8 zero,8 8 error"
dmsetup create --concise "c3,,,,0 8 zero;c4,,,,0 8 none"
dmsetup create --concise "c\\,8,,,,0 8 zero"
dmsetup table --concise
dmsetup ls
dmsetup remove c1 c2 c3 "c,8" "a b" q
dmsetup remove --deferred newv
dmsetup info newv
dmsetup info -c newv
dmsetup remove x z
dmsetup remove -S name=none
dmsetup remove -S "name=~^w"
dmsetup ls
dmsetup none
dmsetup ls --none
dmsetup info -c -u
dmsetup create n -m 3 --table "0 8 zero"
`
  .trim()
  .split("\n");

interface Told {
  readonly command: string;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TABLE = "0 16 linear /dev/mapper/v 32\n16 16 linear $d1 8\n32 8 zero\n40 8 error\n";

async function inGuest(folder: string): Promise<Told[]> {
  const disks = [0, 1].map((at) => emptyDisk(join(folder, `d${at}.img`), DISK_BYTES));
  writeFileSync(join(folder, "table"), TABLE.replace("$d1", "/dev/ubdb"));
  const script = COMMANDS.map((line, at) => {
    const words = line.replace(/^dmsetup/, "timeout 20 dmsetup").replaceAll("$t", "$H/table");
    return `${words} >$H/out.${at} 2>$H/err.${at} </dev/null; echo $? >$H/code.${at}`;
  });
  const run = await bootGuest({
    disks,
    shareDir: folder,
    script: ["mods dm-mod dm-zero", ...script, "true"].join("\n"),
  });
  return COMMANDS.map((command, at) => ({
    command,
    code: Number(run.text(`code.${at}`)),
    stdout: run.text(`out.${at}`),
    stderr: run.text(`err.${at}`),
  }));
}

async function here(folder: string): Promise<Told[]> {
  const machine = new DmsetupMachine(2, DISK_BYTES / 512);
  const table = join(folder, "table-here");
  writeFileSync(table, TABLE.replace("$d1", "/disks/d1"));
  const told: Told[] = [];
  for (const command of COMMANDS) {
    const line = command.replaceAll("$t", table).replaceAll(/\$(d\d)/g, "/disks/$1");
    // A shell takes one of two backslashes.
    const words = shellWords(line.replaceAll("\\\\", "\\")).slice(1);
    told.push({ command, ...(await machine.run(words)) });
  }
  return told;
}

/** Disks have other names and numbers; where they stand in columns, these are not as wide. */
function alike({ stdout, ...rest }: Told): Told {
  const lines = stdout.split("\n").map((line) => {
    const text = line
      .replaceAll(/\b98:0\b|\b7:0\b|\/disks\/d0\b/g, "D0")
      .replaceAll(/\b98:16\b|\b7:1\b|\/disks\/d1\b/g, "D1")
      .replaceAll(/\(98, 0\)|\(7, 0\)/g, "(D0)")
      .replaceAll(/\(98, 16\)|\(7, 1\)/g, "(D1)")
      .replaceAll(/\bubda\b|\bd0\b/g, "D0")
      .replaceAll(/\bubdb\b|\bd1\b/g, "D1");
    return text === line ? line : text.replaceAll(/ +/g, " ");
  });
  // The inverted tree in few lines is indented by the width of what is before it.
  const isIndented = rest.command.includes("compact,inverted");
  const text = lines.map((line) => (isIndented ? line.trimStart() : line)).join("\n");
  return { ...rest, stdout: text };
}

/** Why, which is in the kernel's log there, and what help there is, differ. */
function messages(stderr: string): string[] {
  return stderr
    .split("\n")
    .filter((line) =>
      /^(?:device-mapper: |Command failed|Couldn't process|Device does not)/.test(line),
    );
}

peerDescribe(GUEST_PROGRAMS, "beside the real dmsetup", () => {
  it("prints the same for the same devices", { timeout: 300_000 }, async () => {
    const folder = testFolder("guest");
    const real = await inGuest(folder);
    const ours = await here(folder);
    for (const [at, told] of ours.entries()) {
      const wanted = alike(real[at]!);
      const { code, command } = wanted;
      expect.soft({ command, code: told.code, stdout: alike(told).stdout }).toEqual({
        command,
        code,
        stdout: wanted.stdout,
      });
      expect.soft({ command, messages: messages(told.stderr) }).toEqual({
        command,
        messages: messages(wanted.stderr),
      });
    }
  });
});
