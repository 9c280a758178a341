// A replay follows the config as the live agent does.

import { expect, test } from "bun:test";
import { frame, ip } from "../support/packets.ts";
import { vxlan } from "../support/packets-udp-tunnels.ts";
import { udp } from "../support/segments.ts";
import { A, B, START } from "./exchange.ts";
import { pcap } from "./pcap-writer.ts";
import { type Replayed, type ReplaySettings, replayFile } from "./replayed.ts";
import { writeTemporaryFile } from "./temporary-file.ts";

async function replay(frames: readonly Uint8Array[], settings: ReplaySettings): Promise<Replayed> {
  using file = writeTemporaryFile(pcap(frames.map((bytes) => ({ bytes, time: START }))));
  return await replayFile(file.path, settings);
}

test("tells flows of the same ports in two VLANs apart where flow.key_includes says so", async () => {
  const frames = [7, 8].map((id) =>
    frame(ip(A, B, udp([5000, 53], 8)), { tags: [{ ethertype: 0x8100, id }] }),
  );
  const ids = async (settings: ReplaySettings): Promise<readonly number[]> =>
    (await replay(frames, settings)).records.map(({ vlanId }) => vlanId).toSorted();
  expect(await ids({})).toEqual([7]);
  expect(await ids({ flow: { key_includes: ["vlan"] } })).toEqual([7, 8]);
});

test("counts one flow in so many by capture.sampling, whole flows, and says what was left out", async () => {
  const ports = Array.from({ length: 400 }, (_, index) => 1000 + index);
  const frames = ports.flatMap((port) => [
    frame(ip(A, B, udp([port, 53], 8))),
    frame(ip(B, A, udp([53, port], 8))),
  ]);
  const { records, counters } = await replay(frames, { capture: { sampling: 4 } });
  expect(records.length).toBeGreaterThan(0);
  expect(records.length).toBeLessThan(ports.length);
  expect(records.every(({ forward, reverse }) => forward.packets === 1 && reverse.packets === 1)).toBe(true);
  expect(counters).toEqual({
    accounted: 2 * records.length,
    sampled_out: frames.length - 2 * records.length,
  });
});

test("reads tunnels at the ports of [parser] alone", async () => {
  const inside = frame(ip(A, B, udp([5000, 53], 8)));
  const tunnelled = frame(ip("192.0.2.1", "192.0.2.2", vxlan(inside, { ports: [40_000, 5555] })));
  const sources = async (vxlanPorts: readonly number[]): Promise<readonly string[]> =>
    (await replay([tunnelled], { parser: { vxlan_ports: vxlanPorts } })).records.map(({ source }) => source);
  expect(await sources([4789])).toEqual(["192.0.2.1"]);
  expect(await sources([4789, 5555])).toEqual([A]);
});
