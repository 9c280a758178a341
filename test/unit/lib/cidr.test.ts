import { describe, expect, test } from "bun:test";
import { formatIpv6 } from "../../../src/lib/address.ts";
import { PrefixSet, parsePrefix } from "../../../src/lib/cidr.ts";

describe("parsePrefix", () => {
  test.each([
    ["10.1.2.3", "::ffff:10.1.2.3", 128],
    ["10.1.2.3/8", "::ffff:10.0.0.0", 104],
    ["10.1.2.3/0", "::ffff:0.0.0.0", 96],
    ["255.255.255.255/31", "::ffff:255.255.255.254", 127],
    ["2001:db8::ffff/32", "2001:db8::", 32],
    ["2001:db8::1", "2001:db8::1", 128],
    ["ffff:ffff::/29", "ffff:fff8::", 29],
    ["::/0", "::", 0],
    ["::ffff:10.0.0.0/104", "::ffff:10.0.0.0", 104],
  ])("reads %s", (text, address, bits) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) throw new Error("not read");
    expect([formatIpv6(prefix.octets, 0), prefix.bits]).toEqual([address, bits]);
  });

  test.each([
    "",
    "10.0.0",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "10.0.0.0/ 8",
    "::/129",
    "fe80::1%eth0",
    "eth0",
  ])("refuses %p", (text) => expect(parsePrefix(text)).toBeUndefined());
});

test("PrefixSet holds an IPv4 address only by IPv4's prefixes, and an IPv6 one by its own", () => {
  const contains = (prefix: string, address: string): boolean => {
    const of = parsePrefix(address);
    const set = new PrefixSet([parsePrefix(prefix) ?? { octets: new Uint8Array(16), bits: 0 }]);
    return set.contains(new Uint32Array(of?.octets.slice().buffer ?? new ArrayBuffer(16)), 0);
  };
  expect(contains("::/0", "10.0.0.1")).toBe(false);
  expect(contains("::/0", "2001:db8::1")).toBe(true);
  expect(contains("0.0.0.0/0", "10.0.0.1")).toBe(true);
  expect(contains("0.0.0.0/0", "2001:db8::1")).toBe(false);
});

test("PrefixSet holds nothing where there is no prefix", () => {
  expect(new PrefixSet([]).contains(new Uint32Array(4), 0)).toBe(false);
});
