/** What a plan comes to, for whoever asked for it: what stands where, without the bytes. */
import { SECTOR_BYTES } from "../../base/units.ts";
import type { CreatePlan, PlannedDevice, PlannedWrite } from "./request.ts";

export interface CreateSummary extends Omit<CreatePlan, "devices"> {
  readonly devices: readonly DeviceSummary[];
}

export interface DeviceSummary extends Omit<PlannedDevice, "writes"> {
  readonly writes: readonly WriteSummary[];
}

export interface WriteSummary extends Omit<PlannedWrite, "bytes"> {
  readonly sectors: number;
}

export function summaryOf(plan: CreatePlan): CreateSummary {
  const devices = plan.devices.map((device): DeviceSummary => ({
    ...device,
    writes: device.writes.map(({ what, sector, bytes }) => ({
      what,
      sector,
      sectors: bytes.length / SECTOR_BYTES,
    })),
  }));
  return { ...plan, devices };
}
