/** Tables, messages and one-line descriptions by chance: good ones for each target, and what becomes of them when words change. */
import type { Prng } from "../../src/base/prng.ts";

/** Disks of a world for them. Only what stands in META may be written by a table that is loaded, as kernels do. */
export const DISKS = { a: 512, b: 512, c: 512, meta: 512, cow: 512, log: 512 } as const;
export const DATA = ["a", "b", "c"] as const;

const SECTORS = 256;

const TABLES: readonly string[] = [
  "linear ./a 8",
  "striped 2 16 ./a 0 ./b 0",
  "zero",
  "error",
  "delay ./a 0 5 ./b 0 5 ./c 0 7",
  "flakey ./a 0 5 5 5 corrupt_bio_byte 32 r 1 0",
  "flakey ./a 0 1 1 1 drop_writes",
  "dust ./a 0 512",
  "log-writes ./a ./log",
  "snapshot ./a ./cow P 8",
  "snapshot ./a ./cow N 16 1 discard_zeroes_cow",
  "snapshot-origin ./a",
  "snapshot-merge ./a ./cow P 8",
  "mirror core 1 16 2 ./a 0 ./b 0 1 handle_errors",
  "mirror disk 2 ./log 16 2 ./a 0 ./b 0",
  "mirror core 2 16 nosync 3 ./a 0 ./b 0 ./c 0 2 handle_errors keep_log",
  "raid raid1 3 0 region_size 64 2 - ./a - ./b",
  "raid raid5_ls 3 16 region_size 64 3 - ./a - ./b - ./c",
  "raid raid10 6 16 raid10_copies 2 raid10_format near 2 ./meta ./a ./log ./b",
  "clone ./meta ./a ./b 8 1 no_hydration",
  "clone ./meta ./a ./b 8 1 no_discard_passdown 4 hydration_threshold 2 hydration_batch_size 2",
  "thin-pool ./meta ./a 128 0 1 skip_block_zeroing",
  "thin below 0",
  "linear below 0",
];

const MESSAGES: readonly string[] = [
  "mark here",
  "addbadblock 3",
  "queryblock 3",
  "enable",
  "create_thin 0",
  "create_snap 1 0",
  "delete 0",
  "set_transaction_id 0 1",
  "reserve_metadata_snap",
  "release_metadata_snap",
  "enable_hydration",
  "hydration_threshold 3",
  "check",
  "idle",
  "frozen",
  "resync",
];

const TROUBLE: readonly string[] = [
  "",
  "0",
  "1",
  "2",
  "-1",
  "7",
  "8",
  "9",
  "64",
  "256",
  "511",
  "512",
  "513",
  "65536",
  "2147483648",
  "4294967295",
  "4294967296",
  "9007199254740993",
  "18446744073709551615",
  "99999999999999999999999",
  "1e3",
  "0x10",
  "1.5",
  "NaN",
  "-",
  "./a",
  "./b",
  "./none",
  "./",
  "./meta",
  "below",
  "self",
  "/dev/mapper/below",
  "/dev/mapper/",
  "254:0",
  "254:99",
  "7:0",
  "P",
  "N",
  "sync",
  "nosync",
  "rebuild",
  "delta_disks",
  "journal_dev",
  "region_size",
  "handle_errors",
  "\\",
  "\\ ",
  "é",
  "\u0000",
  "__proto__",
  "constructor",
];

function changedWords(prng: Prng, words: readonly string[]): string[] {
  const list = [...words];
  const at = prng.below(list.length + 1);
  switch (prng.below(5)) {
    case 0:
      list.splice(at, 1);
      break;
    case 1:
      list.splice(at, 0, prng.pick(TROUBLE));
      break;
    case 2:
      list.splice(at, 0, prng.pick(words));
      break;
    case 3: {
      const number = Number(list[at]);
      if (Number.isInteger(number)) list[at] = String(number + prng.pick([-1, 1, 8, number]));
      break;
    }
    default:
      list[Math.min(at, list.length - 1)] = prng.pick(TROUBLE);
  }
  return list;
}

function changed(prng: Prng, text: string, times: number): string {
  let words = text.split(" ");
  for (let left = times; left > 0; left -= 1) words = changedWords(prng, words);
  return words.join(" ");
}

/** One to three lines, most of them nearly right. */
export function randomTable(prng: Prng): string {
  const lines = Array.from({ length: prng.pick([1, 1, 1, 2, 3]) }, (_, index) => {
    const target = changed(prng, prng.pick(TABLES), prng.pick([0, 0, 1, 1, 2, 4]));
    const place = `${index * SECTORS} ${SECTORS}`;
    return `${prng.chance(0.1) ? changed(prng, place, 1) : place} ${target}`;
  });
  return lines.join(prng.chance(0.02) ? ";" : "\n");
}

export function randomMessage(prng: Prng): string[] {
  return changed(prng, prng.pick(MESSAGES), prng.pick([0, 0, 1, 2])).split(" ");
}

/** For what takes a table, or several in one line, apart. */
export function randomText(prng: Prng): string {
  const pieces = [
    "0",
    "8",
    " ",
    "\n",
    ",",
    ";",
    "\\",
    "zero",
    "linear ./a 0",
    "rw",
    "ro",
    "#",
    "\t",
  ];
  return Array.from({ length: prng.below(24) }, () =>
    prng.chance(0.2) ? prng.pick(TROUBLE) : prng.pick(pieces),
  ).join("");
}
