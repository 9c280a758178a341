import { describe, expect, test } from "bun:test";
import { createPrettyFormatter } from "../../../src/export/pretty.ts";
import { RecordRow } from "../../../src/export/row.ts";
import { VXLAN_DETAIL } from "../../collector/details.ts";
import { batchOf, type RecordFields, TCP_RECORD } from "../../collector/records.ts";

function lines(records: readonly RecordFields[], isColoured = false): string[] {
  const format = createPrettyFormatter({ isColoured });
  const row = new RecordRow();
  row.open(batchOf(records));
  return records.map((_, index) => {
    row.moveTo(index);
    return format(row);
  });
}

const PING: RecordFields = {
  source: [0x2001, 0xdb8, 0xaaaa, 0xbbbb, 0xcccc, 0xdddd, 0xeeee, 1],
  destination: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2],
  protocol: 58,
  ipVersion: 6,
  spanKind: 1,
  endReason: 1,
  startNs: 1_763_678_000_000_000_000n,
  endNs: 1_763_678_000_000_900_000n,
  forward: [1n, 104n, 1n, 104n],
};

describe("createPrettyFormatter", () => {
  test("says time, ends, transport, direction, counts, flags, end reason, duration and interface", () => {
    expect(lines([TCP_RECORD])[0]?.split(/ {1,}/).join(" ").trim()).toBe(
      "2025-11-20T22:33:21.623Z 10.1.2.3:41234 → 192.0.2.200:443 tcp forward → 12 3.4KiB ← 10 8.0KiB SPA/SA end_of_flow_detected 1.50s eth0",
    );
  });

  test("ends with the tunnel that carries the flow, where there is one", () => {
    const [none, vxlan, gre, wireguard] = lines([
      TCP_RECORD,
      { ...TCP_RECORD, detail: VXLAN_DETAIL },
      { ...TCP_RECORD, detail: { tunnel: { encapsulation: 4, ipVersion: 6, protocol: 47 } } },
      { ...TCP_RECORD, detail: { flags: 2 } },
    ]);
    expect(none).toEndWith(" eth0");
    expect(vxlan).toEndWith(" eth0 vxlan 16777026 10.0.0.1 → 10.0.0.2");
    expect(gre).toEndWith(" eth0 gre :: → ::");
    expect(wireguard).toEndWith(" eth0 wireguard");
  });

  test("leaves out ports where the protocol has none, and brackets IPv6 with ports", () => {
    const [ping, tcp] = lines([PING, { ...PING, protocol: 6, ports: [5, 80] }]);
    expect(ping).toContain(" 2001:db8:aaaa:bbbb:cccc:dddd:eeee:1 → 2001:db8::2 ");
    expect(ping).toContain(" 900µs");
    expect(tcp).toContain(" [2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:5 → [2001:db8::2]:80 ");
  });

  test("shows no control character of a name", () => {
    expect(lines([{ ...TCP_RECORD, ifindex: 5 }])[0]).toEndWith(" a?[31m");
  });

  test("keeps columns aligned once they have grown", () => {
    const [first, , third, fourth] = lines([TCP_RECORD, PING, TCP_RECORD, PING]);
    expect(third?.indexOf(" tcp ")).toBe(fourth?.indexOf(" icmpv6 ") ?? -1);
    expect(third?.indexOf(" tcp ")).toBeGreaterThan(first?.indexOf(" tcp ") ?? 0);
  });

  test("has escape sequences only when coloured, and the same text under them", () => {
    const [plain] = lines([TCP_RECORD]);
    const [coloured] = lines([TCP_RECORD], true);
    expect(plain).not.toContain("\x1b");
    expect(coloured).toContain("\x1b[36m");
    expect(Bun.stripANSI(coloured ?? "").trimEnd()).toBe(plain ?? "");
  });
});
