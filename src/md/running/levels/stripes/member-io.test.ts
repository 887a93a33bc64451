import { describe, expect, it } from "vitest";
import { ArrayDevice } from "../../../../../test/support/array-device.ts";
import { HoldfastError } from "../../../../base/errors.ts";
import { BioFlags, writeBio } from "../../../../block/bio.ts";
import type { Bio } from "../../../../block/bio.ts";
import { fanOut } from "../../../../block/fan-out.ts";
import type { Member } from "../../member.ts";
import { MemberIo } from "./member-io.ts";

/** Takes parts, and fails them all when one of them fails. */
class PartsDevice extends ArrayDevice {
  readonly together: number[] = [];

  submitParts(bio: Bio): void {
    this.together.push(bio.parts.length);
    const written = fanOut(bio.parts.length, bio.end);
    let { sector } = bio;
    for (const part of bio.parts) {
      this.submit(writeBio(sector, part, BioFlags.none, written));
      sector += part.length / 512;
    }
  }
}

class Rig {
  readonly io = new MemberIo();
  readonly told: string[] = [];

  member(device: ArrayDevice): Member {
    return { device, dataOffset: 4 } as unknown as Member;
  }

  gather(member: Member, sector: number, flags: number = BioFlags.none): void {
    const data = new Uint8Array(1024).fill(sector + 1);
    this.io.gather(member, sector, data, flags, (error) =>
      this.told.push(error === null ? `${sector}` : `${sector} ${error.code}`),
    );
  }
}

describe("writes of neighbouring rows", () => {
  it("go to a member as one request, the others alone", () => {
    const rig = new Rig();
    const devices = [new PartsDevice(64), new PartsDevice(64), new ArrayDevice(64)] as const;
    const [first, ...others] = devices;
    const members = [rig.member(first), ...others.map((device) => rig.member(device))] as const;
    rig.io.plug();
    for (const sector of [0, 2, 4, 20]) for (const member of members) rig.gather(member, sector);
    rig.gather(members[0], 30, BioFlags.fua);
    expect(devices[2].seen.map(({ sector }) => sector)).toEqual([4, 6, 8, 24]);
    rig.io.unplug();
    expect(rig.told).toHaveLength(13);
    for (const { together } of devices.slice(0, 2) as PartsDevice[]) expect(together).toEqual([3]);
    for (const { bytes } of devices)
      for (const sector of [0, 2, 4, 20])
        expect([...bytes.subarray((4 + sector) * 512, (6 + sector) * 512)]).toEqual(
          Array.from({ length: 1024 }, () => sector + 1),
        );
    rig.gather(members[0], 40);
    expect(devices[0].seen.at(-1)?.sector).toBe(44);
  });

  it("are written one by one when that fails, and only what cannot be written fails", () => {
    const rig = new Rig();
    const device = new PartsDevice(64);
    const member = rig.member(device);
    device.fault = ({ sector }) => (sector === 6 ? new HoldfastError("io", "no") : null);
    for (let turn = 0; turn < 2; turn += 1) {
      rig.io.plug();
      for (const sector of [0, 2, 4]) rig.gather(member, sector);
      rig.io.unplug();
      expect(rig.told.splice(0)).toEqual(["0", "2 io", "4"]);
    }
    expect(device.together).toEqual([3, 3]);
  });
});
