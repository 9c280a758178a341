// The outer headers of both directions of one flow: each way's own, as its first packet had them.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { frame, ip, type Segment } from "../support/packets.ts";
import { gre, ipInIp } from "../support/packets-gre.ts";
import { authenticated } from "../support/packets-ipsec.ts";
import { gtp, vxlan } from "../support/packets-udp-tunnels.ts";
import { udp } from "../support/segments.ts";
import { Bench } from "./bench.ts";
import type { Details } from "./decode-details.ts";

const ASKED = ip("10.0.0.1", "10.0.0.2", udp([1000, 2000], 12));
const ANSWERED = ip("10.0.0.2", "10.0.0.1", udp([2000, 1000], 12));

type Ends = readonly [source: string, destination: string];
const A: Ends = ["192.0.2.1", "192.0.2.2"];
const B: Ends = ["192.0.2.9", "192.0.2.8"];

let bench: Bench;
beforeAll(() => {
  bench = new Bench();
});
afterAll(() => bench[Symbol.dispose]());
beforeEach(() => bench.reset());

function send([source, destination]: Ends, segment: Segment): void {
  bench.run(frame(ip(source, destination, segment)));
}

function details(): Details {
  const found = bench.flow().details;
  if (found === undefined) throw new Error("The flow has no details");
  return found;
}

describe("note_layer", () => {
  test("keeps the sender of a mirror as the source of both ways, whichever came first", () => {
    const answered = vxlan(frame(ANSWERED), { ports: [50000, 4789] });
    const asked = vxlan(frame(ASKED), { ports: [50001, 4789] });
    for (const [first, second] of [
      [answered, asked],
      [asked, answered],
    ] as const) {
      bench.reset();
      send(A, first);
      send(A, second);
      expect(details().tunnel).toMatchObject({
        ends: [A, A],
        ports: [
          [50001, 4789],
          [50000, 4789],
        ],
        encapsulation: 1,
      });
    }
  });

  test("keeps each way's own ends, identifier and authentication header, in both layers", () => {
    const inIp = (inner: typeof ASKED, [source, destination]: Ends): Uint8Array =>
      ip(source, destination, ipInIp(inner)).bytes;
    send(B, authenticated(gre(0x0800, inIp(ANSWERED, ["172.16.0.4", "172.16.0.3"]), { key: 9 }), 0x99));
    send(A, authenticated(gre(0x0800, inIp(ASKED, ["172.16.0.1", "172.16.0.2"]), { key: 7 }), 0x77));
    expect(details()).toMatchObject({
      tunnel: { ends: [A, B], ids: [7, 9], ahSpi: [0x77, 0x99], encapsulation: 4 },
      ipip: {
        ends: [
          ["172.16.0.1", "172.16.0.2"],
          ["172.16.0.4", "172.16.0.3"],
        ],
        encapsulation: 6,
      },
    });
  });

  test("keeps the first packet of each way, whatever comes through another tunnel afterwards", () => {
    send(A, gtp(ASKED.bytes, { teid: 7 }));
    send(B, gtp(ANSWERED.bytes, { teid: 9 }));
    send(["192.0.2.77", "192.0.2.78"], gtp(ASKED.bytes, { teid: 77 }));
    send(["192.0.2.79", "192.0.2.78"], gtp(ANSWERED.bytes, { teid: 79 }));
    expect(details().tunnel).toMatchObject({ ends: [A, B], ids: [7, 9] });
  });

  test("says nothing of the way that only a bare hook sees", () => {
    send(A, vxlan(frame(ANSWERED)));
    bench.run(frame(ASKED));
    expect(details().tunnel).toMatchObject({
      ends: [undefined, A],
      ids: [undefined, 42],
      ports: [undefined, [50000, 4789]],
    });
  });

  test("keeps the first of two encapsulations, and of two IP versions, until one like it comes", () => {
    const v6: Ends = ["2001:db8:0:0:0:0:1:9", "2001:db8:0:0:0:0:1:2"];
    for (const other of [
      () => send(B, vxlan(frame(ASKED))),
      () => send(v6, gre(0x0800, ASKED.bytes, { key: 6 })),
    ]) {
      bench.reset();
      send(A, gre(0x0800, ANSWERED.bytes, { key: 9 }));
      other();
      const first = { encapsulation: 4, ipVersion: 4, protocol: 47 };
      expect(details().tunnel).toMatchObject({ ...first, ends: [undefined, A], ids: [undefined, 9] });
      send(B, gre(0x0800, ASKED.bytes, { key: 7 }));
      expect(details().tunnel).toMatchObject({ ...first, ends: [B, A], ids: [7, 9] });
    }
  });
});
