import { expect, it } from "vitest";
import { fioArgs, parseFio, WORKLOADS } from "./workload.ts";

const idle = { iops: 0, bw_bytes: 0, total_ios: 0, clat_ns: {} };
const side = (iops: number, p99: number) => ({
  iops,
  bw_bytes: iops * 4096,
  total_ios: iops * 2,
  clat_ns: { percentile: { "50.000000": 1, "99.000000": p99 } },
});
const report = (read: object, write: object) =>
  `fio: connected to NBD server\n${JSON.stringify({ jobs: [{ read, write }] })}`;

it("reads what fio reports, behind what it says otherwise", () => {
  const { requests, run } = parseFio(report(side(1000, 5000), idle));
  expect(requests).toBe(2000);
  expect(run).toEqual({ iops: 1000, bytesPerSecond: 4_096_000, p99Us: 5 });
});

it("adds reads and writes up, and takes the worse p99", () => {
  const { requests, run } = parseFio(report(side(700, 5000), side(300, 9000)));
  expect(requests).toBe(2000);
  expect(run).toEqual({ iops: 1000, bytesPerSecond: 4_096_000, p99Us: 9 });
});

it("does not take a load that did nothing for a result", () => {
  expect(() => parseFio(report(idle, idle))).toThrow("no request");
});

it("gives every workload a name of its own", () => {
  const names = WORKLOADS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

it("tells fio the time in milliseconds, since it takes 0.8 for no limit", () => {
  const load = { uri: "nbd://", seconds: 0.8, seed: 1 };
  expect(fioArgs(WORKLOADS[0]!, load, "report")).toContain("--runtime=800ms");
});
