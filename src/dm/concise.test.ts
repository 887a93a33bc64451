import { describe, expect, it } from "vitest";
import { formatConcise, parseConcise } from "./concise.ts";

describe("devices in one line", () => {
  it("have a name, and may have a uuid, a minor number, flags and several table lines", () => {
    expect(parseConcise(" a,,,,0 8 zero; b,LVM-x,7,ro,0 8 zero,8 8 error;\n")).toEqual([
      { name: "a", uuid: "", minor: null, readOnly: false, lines: ["0 8 zero"] },
      { name: "b", uuid: "LVM-x", minor: 7, readOnly: true, lines: ["0 8 zero", "8 8 error"] },
    ]);
  });

  it("are written so that they are read as they were", () => {
    const device = {
      name: "a,b;c\\d e",
      uuid: "u;,\\",
      minor: 3,
      readOnly: false,
      lines: ["0 8 linear /x\\ y,z;w 0", "8 8 error "],
    };
    const text = `${formatConcise(device)};${formatConcise({ ...device, name: "z", minor: null })}`;
    expect(parseConcise(text)).toEqual([device, { ...device, name: "z", minor: null }]);
  });

  it.each([
    ["", "No device is described"],
    [";;", "No device is described"],
    ["a", "Five comma-separated fields are required for each device, and a has 1"],
    ["a,,,rw", "and a has 4"],
    ["a,,,,0 8 zero;,,,,0 8 zero", "A device without a name is described"],
    ["a,,x,,0 8 zero", "Invalid minor number 'x' of a"],
    ["a,,1048576,,0 8 zero", "Invalid minor number '1048576' of a"],
    ["a,,,wr,0 8 zero", "Invalid flags parameter 'wr' of a"],
  ])("%s is refused", (text, message) => {
    expect(() => parseConcise(text)).toThrow(message);
  });
});
