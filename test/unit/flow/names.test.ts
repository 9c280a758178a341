import { expect, test } from "bun:test";
import {
  dscpName,
  ecnName,
  icmpCodeName,
  icmpTypeName,
  protocolName,
  tcpFlagTags,
} from "../../../src/flow/names.ts";

const ICMP = 1;
const ICMPV6 = 58;

test("protocolName has IANA's keywords in lower case, decimal text for the rest", () => {
  const numbers = [0, 1, 2, 4, 6, 17, 33, 41, 47, 50, 51, 58, 89, 103, 112, 115, 132, 136, 143, 146];
  expect(numbers.map(protocolName)).toEqual([
    "hopopt",
    "icmp",
    "igmp",
    "ipv4",
    "tcp",
    "udp",
    "dccp",
    "ipv6",
    "gre",
    "esp",
    "ah",
    "icmpv6",
    "ospfigp",
    "pim",
    "vrrp",
    "l2tp",
    "sctp",
    "udplite",
    "ethernet",
    "homa",
  ]);
  expect([61, 99, 147, 255].map(protocolName)).toEqual(["61", "99", "147", "255"]);
});

test("icmpTypeName and icmpCodeName tell the two protocols apart", () => {
  expect(icmpTypeName(ICMP, 8)).toBe("echo_request");
  expect(icmpTypeName(ICMPV6, 8)).toBeUndefined();
  expect(icmpTypeName(ICMPV6, 135)).toBe("neighbor_solicitation");
  expect(icmpTypeName(ICMPV6, 161)).toBe("extended_echo_reply");
  expect(icmpCodeName(ICMP, 3, 4)).toBe("fragmentation_needed");
  expect(icmpCodeName(ICMP, 11, 0)).toBe("ttl_exceeded_in_transit");
  expect(icmpCodeName(ICMPV6, 1, 4)).toBe("port_unreachable");
  expect(icmpCodeName(ICMPV6, 138, 255)).toBe("sequence_number_reset");
  expect(icmpCodeName(ICMP, 8, 0)).toBeUndefined();
  expect(icmpCodeName(ICMP, 3, 16)).toBeUndefined();
});

test("dscpName knows class selectors, assured and expedited forwarding, and nothing else", () => {
  expect([0, 1, 8, 10, 46, 44, 56].map(dscpName)).toEqual([
    "cs0",
    "le",
    "cs1",
    "af11",
    "ef",
    "voice_admit",
    "cs7",
  ]);
  // RFC 2597: AFxy is 8x + 2y.
  for (let x = 1; x <= 4; x++)
    for (let y = 1; y <= 3; y++) expect(dscpName(8 * x + 2 * y)).toBe(`af${x}${y}`);
  expect(dscpName(3)).toBeUndefined();
});

test("ecnName and tcpFlagTags follow the bits", () => {
  expect([0, 1, 2, 3].map(ecnName)).toEqual(["not_ect", "ect1", "ect0", "ce"]);
  expect(tcpFlagTags(0)).toEqual([]);
  expect(tcpFlagTags(0x12)).toEqual(["SYN", "ACK"]);
  expect(tcpFlagTags(0xff)).toEqual(["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]);
});
