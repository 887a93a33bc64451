/** What mdadm -C and the kernel made of a set of disks, and what planCreate makes of them. */
import { describe, expect, it } from "vitest";
import { goldenCases } from "../../../test/support/golden.ts";
import type { GoldenCase } from "../../../test/support/golden.ts";
import { arrayOf, goldenMembers } from "../../../test/support/golden-members.ts";
import type { GoldenMemberImage } from "../../../test/support/golden-members.ts";
import { decodeBitmap } from "../../formats/md/bitmap.ts";
import { parseLayout } from "../../formats/md/layout-names.ts";
import { ownNode, superblockPart, updateSuperblock } from "../../formats/md/superblock-update.ts";
import { superblock1 } from "../../formats/md/superblock-1-layout.ts";
import { superblock090 } from "../../formats/md/superblock-090.ts";
import type { MdLevel, MdVersion } from "../../formats/md/superblock.ts";
import { planCreate } from "./plan-create.ts";
import type { CreateRequest, NewDevice } from "./request.ts";

function createCommand(golden: GoldenCase): string[] {
  const commands = golden.build.flatMap((phase) => phase.commands);
  return commands.find((command) => command.startsWith("mdadm -C"))!.split(/\s+/);
}

function option(words: readonly string[], short: string, long: string): string | null {
  const at = words.indexOf(short);
  if (at >= 0) return words[at + 1]!;
  return words.find((word) => word.startsWith(`${long}=`))?.slice(long.length + 1) ?? null;
}

/** A number with K or M, as sectors. */
function sectors(text: string | null): number | null {
  if (text === null) return null;
  const unit = text.endsWith("M") ? 2048 : 2;
  return Number.parseInt(text, 10) * unit;
}

/** The disks in the order of the command line, null for "missing". */
function listed(words: readonly string[]): (number | null)[] {
  return words.flatMap((word) =>
    word === "missing" ? [null] : /^\$d\d+$/.test(word) ? [Number(word.slice(2))] : [],
  );
}

function newDevice(
  member: GoldenMemberImage,
  words: readonly string[],
  uuid: Uint8Array,
): NewDevice {
  const word = `$d${member.index}`;
  return {
    label: word,
    sectors: member.disk.length / 512,
    deviceUuid: uuid,
    isJournal: words[words.indexOf(word) - 1] === "--write-journal",
    writeMostly: words.slice(0, words.indexOf(word)).includes("--write-mostly"),
    failFast: false,
    dataOffsetSectors: null,
    node: ownNode(member.superblock, member.image),
    oldSuperblockSectors: [],
  };
}

function uuidOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(":", ""), "hex"));
}

function requestOf(words: readonly string[], members: readonly GoldenMemberImage[]): CreateRequest {
  const { superblock } = members[0]!;
  const level = option(words, "-l", "--level") as MdLevel;
  const layout = option(words, "-p", "--layout");
  const bitmap = option(words, "-b", "--bitmap");
  const chunk = sectors(option(words, "--bitmap-chunk", "--bitmap-chunk"));
  const policy = option(words, "-k", "--consistency-policy");
  const behind = Number(option(words, "--write-behind", "--write-behind") ?? 0);
  return {
    version: option(words, "-e", "--metadata") as MdVersion,
    level,
    layout: layout === null ? null : parseLayout(level, layout),
    chunkSectors: sectors(option(words, "-c", "--chunk")),
    raidDisks: Number(option(words, "-n", "--raid-devices")),
    spareDisks: Number(option(words, "-x", "--spare-devices") ?? 0),
    devices: listed(words).map((index) => {
      const member = members.find((one) => one.index === index);
      if (member === undefined) return null;
      const uuid = member.superblock.deviceUuid ?? "";
      return newDevice(member, words, uuidOf(uuid));
    }),
    componentSectors: null,
    dataOffsetSectors: sectors(option(words, "--data-offset", "--data-offset")),
    bitmap:
      bitmap === "internal" ? { chunkSectors: chunk, delaySeconds: 5, writeBehind: behind } : null,
    consistencyPolicy: policy === "ppl" ? "ppl" : null,
    assumeClean: false,
    force: words.includes("--force"),
    badBlockLog: true,
    name: "gold",
    homehost: "holdfast",
    arrayUuid: uuidOf(superblock.arrayUuid),
    createdSeconds: superblock.createdSeconds,
    preferredMinor: superblock.preferredMinor ?? 0,
    journalSequence: 0n,
  };
}

/** All but those whose shape was changed afterwards. */
const cases = goldenCases({ kind: "md", name: /^(?!reshape-)/ });

describe("what is made is what mdadm made", () => {
  it.each(cases)("$name", async (golden) => {
    const words = createCommand(golden);
    const members = await goldenMembers(golden);
    const request = requestOf(words, members);
    const decision = planCreate(request);
    if (decision.kind !== "ok") throw new Error(decision.reason);
    const { plan } = decision;
    const disks = listed(words);
    for (const device of plan.devices) {
      const member = members.find(({ index }) => index === disks[device.index])!;
      const { superblock, image } = member;
      const label = `disk ${member.index}`;
      if (superblock.version !== "0.90") expect(device.number, label).toBe(superblock.deviceNumber);
      const write = device.writes.at(-1)!;
      expect(write.bytes.length, label).toBe(superblockPart(superblock, image).length);
      expect(write, label).toMatchObject({ what: "superblock", sector: superblock.superSector });
      const made = image.slice();
      made.set(write.bytes);
      // What happened to the array since then is put in; everything else must be as it was made.
      const array = arrayOf(member);
      const own = array.devices.find(({ number }) => number === superblock.deviceNumber)!;
      const raw = superblock.version === "0.90" ? superblock090 : superblock1;
      const updated = updateSuperblock(superblock, made, array, own);
      expect(raw.decode(updated), label).toEqual(raw.decode(image));
      expect(Buffer.compare(updated, image), label).toBe(0);
      const bitmap = device.writes.find(({ what }) => what === "bitmap");
      expect(bitmap?.sector ?? null, label).toBe(superblock.bitmapSector);
      if (bitmap === undefined) continue;
      const there = member.disk.subarray(bitmap.sector * 512);
      expect(decodeBitmap(bitmap.bytes)).toMatchObject({
        bitmap: { ...kept(there), events: 0, eventsCleared: 0 },
      });
    }
  });
});

/** What stays of a bitmap's superblock. */
function kept(data: Uint8Array): object {
  const decoded = decodeBitmap(data);
  if (decoded.kind !== "ok") throw new Error("no bitmap");
  const { events: _e, eventsCleared: _c, fields: _f, ...rest } = decoded.bitmap;
  return rest;
}
