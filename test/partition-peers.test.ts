/** Partition tables that sgdisk, sfdisk and parted write are read as those programs read them. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { readPartitionTable } from "../src/formats/partitions/read.ts";
import type { PartitionTable } from "../src/formats/partitions/table.ts";
import { ArrayDevice } from "./support/array-device.ts";
import { peerTest } from "./support/peers.ts";
import { emptyDisk, testFolder } from "./support/temp.ts";

const MIB = 1024 * 1024;

function run(program: string, words: readonly string[], input = ""): string {
  const path = `${process.env["PATH"]}:/usr/local/sbin:/usr/sbin:/sbin`;
  const env = { ...process.env, PATH: path, LC_ALL: "C" };
  return execFileSync(program, words, { input, env, stdio: "pipe" }).toString();
}

function newDisk(): string {
  return emptyDisk(join(testFolder("table"), "disk.img"), 64 * MIB);
}

async function read(path: string): Promise<PartitionTable | null> {
  const data = readFileSync(path);
  const device = new ArrayDevice(data.length / 512, { readOnly: true }, path);
  device.bytes.set(data);
  return readPartitionTable(device);
}

interface SfdiskTable {
  readonly partitiontable: {
    readonly id: string;
    readonly partitions: readonly {
      readonly node: string;
      readonly start: number;
      readonly size: number;
      readonly uuid?: string;
      readonly name?: string;
      readonly bootable?: boolean;
    }[];
  };
}

/** What sfdisk says of the same disk, in our words. */
function toldBySfdisk(path: string): unknown[] {
  const { partitiontable } = JSON.parse(run("sfdisk", ["--json", path])) as SfdiskTable;
  return partitiontable.partitions.map(({ node, start, size, uuid, name, bootable }) => ({
    number: Number(/\d+$/.exec(node)?.[0]),
    startSector: start,
    sectors: size,
    ...(uuid === undefined ? {} : { uuid: uuid.toLowerCase() }),
    label: name ?? null,
    bootable: bootable ?? false,
  }));
}

async function checkAgainstSfdisk(path: string, kind: "gpt" | "mbr"): Promise<PartitionTable> {
  const table = await read(path);
  expect(table?.kind).toBe(kind);
  expect(table?.notes).toEqual([]);
  expect(table?.partitions).toMatchObject(toldBySfdisk(path));
  return table!;
}

async function checkSgdisk(): Promise<void> {
  const path = newDisk();
  const raid = ["-n", "3:2048:+8M", "-t", "3:fd00", "-c", "3:r\u00e4id part"];
  const esp = ["-n", "7:0:+16M", "-t", "7:ef00"];
  run("sgdisk", [...raid, ...esp, path]);
  const table = await checkAgainstSfdisk(path, "gpt");
  expect(table.partitions.map((each) => [each.number, each.typeName])).toEqual([
    [3, "Linux RAID"],
    [7, "EFI system"],
  ]);
  expect(table.partitions[0]?.label).toBe("r\u00e4id part");
}

async function checkSfdisk(): Promise<void> {
  const path = newDisk();
  const script = [
    "label: dos",
    "start=2048, size=8192, type=fd, bootable",
    "start=20480, type=5",
    "start=22528, size=4096, type=83",
    "start=30720, size=4096, type=8e",
    "start=40960, size=2048, type=82",
  ];
  run("sfdisk", ["-q", path], `${script.join("\n")}\n`);
  const table = await checkAgainstSfdisk(path, "mbr");
  expect(table.partitions.map((each) => each.number)).toEqual([1, 2, 5, 6, 7]);
}

async function checkParted(): Promise<void> {
  const path = newDisk();
  const layout = ["mkpart", "extended", "1MiB", "100%", "mkpart", "logical", "2MiB", "10MiB"];
  run("parted", ["-s", path, "mklabel", "msdos", ...layout]);
  await checkAgainstSfdisk(path, "mbr");
}

describe("partition tables", () => {
  peerTest(["sgdisk", "sfdisk"], "written by sgdisk, with gaps in the numbers", checkSgdisk);
  peerTest(["sfdisk"], "written by sfdisk, with logical partitions", checkSfdisk);
  peerTest(["parted", "sfdisk"], "written by parted", checkParted);
});
