import { describe, expect, test } from "bun:test";
import { isIPv6 } from "node:net";
import fc from "fast-check";
import { formatHex, formatIpv4, formatIpv6, formatMac } from "../../../src/lib/address.ts";

function groups(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

// Vectors from RFC 5952 sections 4 and 5, as groups.
const VECTORS: readonly (readonly [string, Uint8Array])[] = [
  ["::", groups(0, 0, 0, 0, 0, 0, 0, 0)],
  ["::1", groups(0, 0, 0, 0, 0, 0, 0, 1)],
  ["1::", groups(1, 0, 0, 0, 0, 0, 0, 0)],
  ["2001:db8::1", groups(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)],
  ["2001:db8:0:1:1:1:1:1", groups(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1)],
  ["2001:0:0:1::1", groups(0x2001, 0, 0, 1, 0, 0, 0, 1)],
  ["2001:db8::1:0:0:1", groups(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)],
  [
    "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa",
    groups(0x2001, 0xdb8, 0xaaaa, 0xbbbb, 0xcccc, 0xdddd, 0xeeee, 0xaaaa),
  ],
  ["::ffff:192.0.2.1", groups(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x201)],
  ["64:ff9b::c000:221", groups(0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x221)],
  ["0:1:1:1:1:1:1:1", groups(0, 1, 1, 1, 1, 1, 1, 1)],
  ["1:1:1:1:1:1::", groups(1, 1, 1, 1, 1, 1, 0, 0)],
];

describe("formatIpv6", () => {
  test.each(VECTORS)("formats %s", (text, octets) => {
    expect(formatIpv6(octets, 0)).toBe(text);
  });

  test("agrees with the WHATWG URL serializer on any address that is not IPv4-mapped", () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (values) => {
        fc.pre(!(values.slice(0, 5).every((value) => value === 0) && values[5] === 0xffff));
        const text = formatIpv6(groups(...values), 0);
        const full = values.map((value) => value.toString(16)).join(":");
        expect(isIPv6(text)).toBe(true);
        expect(`[${text}]`).toBe(new URL(`http://[${full}]/`).hostname);
      }),
      { numRuns: 2000 },
    );
  });

  test("reads from the offset", () => {
    const octets = new Uint8Array(24);
    octets.set(groups(0xfe80, 0, 0, 0, 0, 0, 0, 2), 8);
    expect(formatIpv6(octets, 8)).toBe("fe80::2");
  });
});

test("formatIpv4 reads the last four of sixteen octets", () => {
  expect(formatIpv4(groups(0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x00ff), 0)).toBe("10.0.0.255");
});

test("formatMac and formatHex write two lower-case digits an octet", () => {
  const octets = Uint8Array.of(0xff, 0x02, 0xab, 0x00, 0x0f, 0x10, 0xfe);
  expect(formatMac(octets, 1)).toBe("02:ab:00:0f:10:fe");
  expect(formatHex(octets, 0, 3)).toBe("ff02ab");
});
