import { describe, expect, test } from "bun:test";
import { PARSER_DEFAULTS } from "../../../src/capture/parser-config.ts";
import { encodeUdpTunnels } from "../../../src/capture/udp-tunnels.ts";

const NONE = {
  vxlan_ports: [],
  vxlan_gpe_ports: [],
  geneve_ports: [],
  gtp_ports: [],
  teredo_ports: [],
  fou_ports: [],
  wireguard_ports: [],
  esp_ports: [],
};

/** Ports whose bit is set, as a program reads it: the word at port / 64, the bit port % 64. */
function portsIn(bitmap: Uint8Array): readonly number[] {
  const view = new DataView(bitmap.buffer);
  return Array.from({ length: 65_536 }, (_, port) => port).filter(
    (port) => (view.getBigUint64((port >>> 6) * 8, true) >> BigInt(port & 63)) & 1n,
  );
}

function placesIn(tunnels: Uint8Array): readonly (readonly [number, number])[] {
  const view = new DataView(tunnels.buffer);
  const places = Array.from(
    { length: tunnels.byteLength / 4 },
    (_, index) => [view.getUint16(index * 4, true), view.getUint8(index * 4 + 2)] as const,
  );
  return places.filter(([port]) => port !== 0);
}

describe("encodeUdpTunnels", () => {
  test("has the sizes of knobs.bpf.h", () => {
    const { ports, tunnels } = encodeUdpTunnels(NONE);
    expect([ports.byteLength, tunnels.byteLength]).toEqual([8192, 256]);
    expect([...ports, ...tunnels].every((octet) => octet === 0)).toBe(true);
  });

  test("names each default port with what it carries", () => {
    const { ports, tunnels } = encodeUdpTunnels(PARSER_DEFAULTS);
    expect(portsIn(ports)).toEqual([2152, 4500, 4789, 4790, 6081, 8472, 51_820]);
    expect(placesIn(tunnels)).toEqual([
      [4789, 1],
      [8472, 1],
      [4790, 2],
      [6081, 3],
      [2152, 10],
      [51_820, 13],
      [4500, 14],
    ]);
  });

  test("has room for every list at its longest, and the outermost ports", () => {
    const lists = Object.keys(NONE).map((name, list) => [
      name,
      Array.from({ length: 8 }, (_, index) => (list === 0 && index === 0 ? 65_535 : list * 8 + index)),
    ]);
    const { ports, tunnels } = encodeUdpTunnels({ ...NONE, ...Object.fromEntries(lists) });
    expect(portsIn(ports)).toEqual([...Array.from({ length: 63 }, (_, index) => index + 1), 65_535]);
    expect(placesIn(tunnels)).toHaveLength(64);
  });
});
