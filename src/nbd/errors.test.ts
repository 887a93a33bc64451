import { describe, expect, it } from "vitest";
import { NbdErrno } from "../formats/nbd/constants.ts";
import { errnoOf } from "./errors.ts";

describe("errnoOf", () => {
  it("keeps EOVERFLOW and ENOTSUP for what the protocol says, whatever a device answers", () => {
    expect(errnoOf("unsupported")).toBe(NbdErrno.EINVAL);
    expect(errnoOf("usage")).toBe(NbdErrno.EINVAL);
  });

  it("tells a client that it may not, that there is no room, that it is over", () => {
    expect(errnoOf("read-only")).toBe(NbdErrno.EPERM);
    expect(errnoOf("permission")).toBe(NbdErrno.EPERM);
    expect(errnoOf("no-space")).toBe(NbdErrno.ENOSPC);
    expect(errnoOf("shutdown")).toBe(NbdErrno.ESHUTDOWN);
    expect(errnoOf("io")).toBe(NbdErrno.EIO);
    expect(errnoOf("data-lost")).toBe(NbdErrno.EIO);
  });
});
