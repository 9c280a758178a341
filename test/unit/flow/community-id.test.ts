import { expect, test } from "bun:test";
import { COMMUNITY_ID_BYTES, CommunityIdHasher, icmpCounterpart } from "../../../src/flow/community-id.ts";
import { type RowFields, rowOf } from "./row.ts";

const HOST_A = "20010470e5bfdead49572174e82c4887";
const HOST_B = "2607f8b0400c0c03000000000000001a";
const ROUTER_A = "fe80000000000000020086fffe0580da";
const ROUTER_B = "fe80000000000000026097fffe0769ea";

/** Identifiers of the specification's own captures, with seed 0 and seed 1. */
const VECTORS: readonly (readonly [RowFields, string, string])[] = [
  [
    { protocol: 6, source: "128.232.110.120", destination: "66.35.250.204", ports: [34855, 80] },
    "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
    "1:3V71V58M3Ksw/yuFALMcW0LAHvc=",
  ],
  [
    { protocol: 17, source: "192.168.1.52", destination: "8.8.8.8", ports: [54585, 53] },
    "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
    "1:Q9We8WO3piVF8yEQBNJF4uiSVrI=",
  ],
  [
    { protocol: 132, source: "192.168.170.8", destination: "192.168.170.56", ports: [7, 7] },
    "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=",
    "1:5w3ZRjeKBzqT3zsaEECDGjUbYeg=",
  ],
  [
    { protocol: 6, source: HOST_A, destination: HOST_B, ports: [63943, 25] },
    "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
    "1:eJYTW6AOzFLlSUoESovMjnu7rMw=",
  ],
  [
    { protocol: 46, source: "10.1.12.1", destination: "10.1.12.2" },
    "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=",
    "1:rYir8gphR31noO9iDRQmF/BteEI=",
  ],
  [
    { protocol: 1, source: "192.168.0.89", destination: "192.168.0.1", ports: [8, 0] },
    "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=",
    "1:03g6IloqVBdcZlPyX8r0hgoE7kA=",
  ],
  [
    { protocol: 58, source: ROUTER_A, destination: ROUTER_B, ports: [135, 136] },
    "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
    "1:kHa1FhMYIT6Ym2Vm2AOtoOARDzY=",
  ],
];

const ONE_WAY: readonly (readonly [RowFields, string])[] = [
  [
    { protocol: 1, source: "10.0.0.1", destination: "10.0.0.2", ports: [11, 0], isOneWay: true },
    "1:YHxtAirCG//0OzkcVAukqKQN9xM=",
  ],
  // The following two as Wireshark computes them, sent by the greater address.
  [
    { protocol: 1, source: "10.0.0.2", destination: "10.0.0.1", ports: [3, 1], isOneWay: true },
    "1:JHjlyD5IJJjl3wHWOMj46lLWZag=",
  ],
  [
    { protocol: 1, source: "10.0.0.2", destination: "10.0.0.1", ports: [42, 0], isOneWay: true },
    "1:Bb6flthHt7sumXJlOv7avNXFtN4=",
  ],
];

function communityId(fields: RowFields, seed: number): string {
  const hasher = new CommunityIdHasher(seed);
  const out = new Uint8Array(COMMUNITY_ID_BYTES + 2);
  hasher.hash(rowOf(fields), 0);
  hasher.format(out, 1);
  expect([out[0], out[COMMUNITY_ID_BYTES + 1]]).toEqual([0, 0]);
  return new TextDecoder().decode(out.subarray(1, COMMUNITY_ID_BYTES + 1));
}

test("CommunityIdHasher agrees with the specification's captures, in both directions and with a seed", () => {
  for (const [fields, plain, seeded] of VECTORS) {
    const [source, destination] = fields.ports ?? [0, 0];
    const turned: RowFields = {
      ...fields,
      source: fields.destination,
      destination: fields.source,
      ports: [destination, source],
    };
    expect([communityId(fields, 0), communityId(turned, 0)]).toEqual([plain, plain]);
    expect([communityId(fields, 1), communityId(turned, 1)]).toEqual([seeded, seeded]);
  }
});

test("CommunityIdHasher does not order the ends of a one-way ICMP message", () => {
  for (const [fields, id] of ONE_WAY) expect(communityId(fields, 0)).toBe(id);
});

test("CommunityIdHasher leaves the ports of DCCP and UDP-Lite out", () => {
  // DCCP as Wireshark computes it.
  const dccp: RowFields = { protocol: 33, source: "10.0.0.2", destination: "10.0.0.1", ports: [1234, 4321] };
  expect(communityId(dccp, 0)).toBe("1:qKfrGVs14/VI2wLMVfhXXHfa6a0=");
  const lite: RowFields = { ...dccp, protocol: 136 };
  expect(communityId(lite, 0)).toBe(communityId({ ...lite, ports: [1, 2] }, 0));
});

test("CommunityIdHasher orders by port where both addresses are the same", () => {
  const fields: RowFields = {
    protocol: 6,
    source: "127.0.0.1",
    destination: "127.0.0.1",
    ports: [40000, 80],
  };
  expect(communityId(fields, 0)).toBe(communityId({ ...fields, ports: [80, 40000] }, 0));
});

test("icmpCounterpart pairs requests and replies both ways, and nothing else", () => {
  expect([8, 0, 13, 14, 9, 10, 17].map((type) => icmpCounterpart(1, type))).toEqual([
    0, 8, 14, 13, 10, 9, 18,
  ]);
  expect([128, 129, 131, 133, 136, 145].map((type) => icmpCounterpart(58, type))).toEqual([
    129, 128, 130, 134, 135, 144,
  ]);
  expect([3, 11, 42, 128].map((type) => icmpCounterpart(1, type))).toEqual([-1, -1, -1, -1]);
});
