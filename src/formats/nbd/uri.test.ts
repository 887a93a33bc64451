import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatNbdUri, isNbdUri, parseNbdUri } from "./uri.ts";

const tcp = (host: string, port = 10809) => ({ kind: "tcp", host, port }) as const;
const unix = (path: string) => ({ kind: "unix", path }) as const;

describe("parseNbdUri", () => {
  // The examples of the URI document, and what they leave open.
  it.each([
    ["nbd://example.com/disk", tcp("example.com"), "disk"],
    ["nbd+unix:///disk?socket=sock", unix("sock"), "disk"],
    ["nbd://example.com/", tcp("example.com"), ""],
    ["nbd://example.com", tcp("example.com"), ""],
    ["nbd://example.com//disk", tcp("example.com"), "/disk"],
    ["nbd://example.com/hello%20world", tcp("example.com"), "hello world"],
    ["nbd+unix:///?socket=%00/abstract", unix("\0/abstract"), ""],
    ["nbd://[::1]:4000/a/b", tcp("::1", 4000), "a/b"],
    ["nbd://localhost:/x", tcp("localhost"), "x"],
    ["nbd:///x", tcp("localhost"), "x"],
    ["NBD://h/x", tcp("h"), "x"],
    ["nbd://h/a+b%2Bc", tcp("h"), "a+b+c"],
    ["nbd://h/x?x-mine=1", tcp("h"), "x"],
    ["nbd+unix:///gr%C3%B6%C3%9Fe?socket=/run/a%20b", unix("/run/a b"), "größe"],
    ["nbd://127.0.0.1:0", tcp("127.0.0.1", 0), ""],
  ])("%s", (text, address, exportName) => {
    expect(parseNbdUri(text)).toEqual({ address, exportName, tls: "allow" });
  });

  it("takes TLS from the scheme and the parameters", () => {
    const text = "nbds://alice@h:1/x?tls-type=psk&tls-psk-file=/k.psk&tls-verify-peer=0";
    expect(parseNbdUri(text)).toEqual({
      address: tcp("h", 1),
      exportName: "x",
      tls: "require",
      user: "alice",
      tlsType: "psk",
      tlsPskFile: "/k.psk",
      tlsVerifyPeer: false,
    });
    const other = "nbds+unix:///?socket=s&tls-hostname=h&tls-certificates=/pki";
    expect(parseNbdUri(other)).toMatchObject({ tlsHostname: "h", tlsCertificates: "/pki" });
  });

  it.each([
    ["http://h/x", "scheme"],
    ["nbd+vsock://1/x", "scheme"],
    ["just a path", "look like"],
    ["nbd+unix:///x", "needs ?socket"],
    ["nbd+unix://host/x?socket=s", "no host"],
    ["nbd://h/x?socket=s", "goes with"],
    ["nbd://h:70000/x", "port"],
    ["nbd://a:b:c/x", "host:port"],
    ["nbd://h/x#part", "fragment"],
    ["nbd://h/%zz", "%"],
    ["nbd://h/a%00b", "NUL"],
    ["nbd://h/x?what=1", "unknown"],
    ["nbd+unix:///?socket=a&socket=b", "twice"],
    ["nbds://h/x?tls-type=rot13", "tls-type"],
    ["nbds://h/x?tls-verify-peer=yes", "tls-verify-peer"],
  ])("refuses %s", (text, why) => {
    expect(() => parseNbdUri(text)).toThrow(why);
    expect(() => parseNbdUri(text)).toThrow(expect.objectContaining({ code: "usage" }));
  });
});

it("refuses export names that the protocol cannot carry", () => {
  expect(parseNbdUri(`nbd://h/${"x".repeat(4096)}`).exportName).toHaveLength(4096);
  expect(() => parseNbdUri(`nbd://h/${"x".repeat(4097)}`)).toThrow("4096");
});

describe("formatNbdUri", () => {
  it("writes what people expect to see", () => {
    const plain = { address: tcp("127.0.0.1", 4000), exportName: "md0", tls: "allow" } as const;
    expect(formatNbdUri(plain)).toBe("nbd://127.0.0.1:4000/md0");
    expect(formatNbdUri({ ...plain, address: tcp("::1") })).toBe("nbd://[::1]/md0");
    expect(formatNbdUri({ ...plain, address: unix("/run/nbd.sock"), tls: "require" })).toBe(
      "nbds+unix:///md0?socket=/run/nbd.sock",
    );
  });

  it("is undone by parseNbdUri", () => {
    const name = fc.string({ unit: "grapheme", maxLength: 40 }).filter((s) => !s.includes("\0"));
    const path = name.filter((s) => s !== "");
    const address = fc.oneof(
      path.map(unix),
      fc.tuple(fc.domain(), fc.integer({ min: 1, max: 65535 })).map(([h, p]) => tcp(h, p)),
      fc.ipV6().map((host) => tcp(host)),
    );
    const uri = fc.record(
      {
        address,
        exportName: name,
        tls: fc.constantFrom("allow" as const, "require" as const),
        user: path,
        tlsType: fc.constantFrom("x509" as const, "psk" as const),
        tlsHostname: fc.domain(),
        tlsVerifyPeer: fc.boolean(),
        tlsCertificates: path,
        tlsPskFile: path,
      },
      { requiredKeys: ["address", "exportName", "tls"] },
    );
    fc.assert(
      fc.property(uri, (given) => {
        const text = formatNbdUri(given);
        expect(isNbdUri(text)).toBe(true);
        expect(parseNbdUri(text)).toEqual(given);
        // Generic URI parsers agree that it is one.
        if (!("user" in given)) expect(new URL(text).protocol).toMatch(/^nbds?(\+unix)?:$/);
      }),
    );
  });
});

describe("isNbdUri", () => {
  it("tells URIs from paths", () => {
    expect(["nbd://h", "nbds+unix:///?socket=s", "NBD:h"].map(isNbdUri)).toEqual([
      true,
      true,
      true,
    ]);
    expect(["disk.img", "/nbd/x", "nbd", "missing"].map(isNbdUri)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
