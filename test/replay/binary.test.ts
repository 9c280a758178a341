// `mermin replay` as it is shipped: standard output, standard error, exit code.

import { expect, test } from "bun:test";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { decodeJsonRequest } from "../collector/decode.ts";
import { capturePath, describeWithCaptures } from "./captures.ts";
import { writeTemporaryFile } from "./temporary-file.ts";
import { askTshark } from "./tshark.ts";

const BINARY = join(import.meta.dir, "../../dist/mermin");
const TIMEOUT_MS = 30_000;

const span = v.object({
  startTimeUnixNano: v.string(),
  endTimeUnixNano: v.string(),
  attributes: v.looseObject({
    "flow.community_id": v.string(),
    "flow.packets.delta": v.number(),
    "flow.reverse.packets.delta": v.number(),
    "flow.bytes.delta": v.number(),
    "flow.reverse.bytes.delta": v.number(),
    "flow.end_reason": v.string(),
  }),
});

async function runMermin(
  ...args: readonly string[]
): Promise<readonly [output: string, errors: string, code: number]> {
  const child = Bun.spawn([BINARY, ...args], { stdout: "pipe", stderr: "pipe" });
  return await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
}

describeWithCaptures("mermin replay", () => {
  test(
    "writes a span a line, with tshark's packets, bytes and times",
    async () => {
      const path = capturePath("traces/http-vlan-0.pcap");
      const [output, , code] = await runMermin("replay", path, "--format", "ndjson");
      expect(code).toBe(0);
      const spans = output
        .trim()
        .split("\n")
        .map((line) => v.parse(span, JSON.parse(line)));
      const told = spans.map(({ startTimeUnixNano, endTimeUnixNano, attributes }) => [
        attributes["flow.community_id"],
        BigInt(startTimeUnixNano),
        BigInt(endTimeUnixNano),
        attributes["flow.packets.delta"] + attributes["flow.reverse.packets.delta"],
        attributes["flow.bytes.delta"] + attributes["flow.reverse.bytes.delta"],
      ]);
      const { conversations } = await askTshark(path);
      const expected = Object.values(conversations).map(({ communityId, first, last, ways }) => [
        communityId,
        first,
        last,
        Object.values(ways).reduce((sum, { packets }) => sum + packets, 0),
        Object.values(ways).reduce((sum, { bytes }) => sum + bytes, 0),
      ]);
      expect(told).toEqual(expected);
      expect(spans[0]?.attributes["network.interface.index"]).toBeUndefined();
      expect(spans[0]?.attributes["network.interface.name"]).toBeUndefined();
    },
    TIMEOUT_MS,
  );

  test(
    "writes requests of OTLP with the same spans, a line each",
    async () => {
      const path = capturePath("traces/http-vlan-0.pcap");
      const [[lines], [requests, , code]] = await Promise.all([
        runMermin("replay", path, "--format", "ndjson"),
        runMermin("replay", path, "--format", "otlp-json"),
      ]);
      expect(code).toBe(0);
      const told = requests
        .trimEnd()
        .split("\n")
        .flatMap((line) => decodeJsonRequest(new TextEncoder().encode(line)).spans);
      expect<unknown>(told).toEqual(
        lines
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
      );
    },
    TIMEOUT_MS,
  );

  test(
    "writes the same lines to the file of the config",
    async () => {
      const path = capturePath("traces/http-vlan-0.pcap");
      using config = writeTemporaryFile('[export.file]\npath = "told/flows.ndjson"\n');
      const [[lines], [output, , code]] = await Promise.all([
        runMermin("replay", path, "--format", "ndjson"),
        runMermin("replay", path, "-c", config.path),
      ]);
      expect([output, code]).toEqual(["", 0]);
      expect(await Bun.file(join(dirname(config.path), "told/flows.ndjson")).text()).toBe(lines);
    },
    TIMEOUT_MS,
  );

  test(
    "tells the tunnel around a flow",
    async () => {
      const [output, , code] = await runMermin(
        ...["replay", capturePath("traces/geneve.pcap"), "--format", "ndjson"],
      );
      expect(code).toBe(0);
      const { attributes } = v.parse(span, JSON.parse(output));
      const tunnel = Object.entries(attributes).filter(([name]) => name.startsWith("tunnel."));
      // Three pings and their answers, all of 84 bytes, in datagrams of 142 bytes there and 134 bytes back.
      expect(Object.fromEntries(tunnel)).toEqual({
        "tunnel.type": "geneve",
        "tunnel.id": "0",
        "tunnel.source.address": "20.0.0.1",
        "tunnel.source.port": 50_901,
        "tunnel.destination.address": "20.0.0.2",
        "tunnel.destination.port": 6081,
        "tunnel.network.type": "ipv4",
        "tunnel.network.transport": "udp",
        "tunnel.network.interface.mac": "00:1b:21:3c:ab:64",
        "tunnel.bytes.delta": 3 * 58,
        "tunnel.bytes.total": 3 * 58,
        "tunnel.reverse.bytes.delta": 3 * 50,
        "tunnel.reverse.bytes.total": 3 * 50,
      });
      expect([attributes["flow.bytes.delta"], attributes["flow.reverse.bytes.delta"]]).toEqual([252, 252]);
    },
    TIMEOUT_MS,
  );

  test(
    "tells what comes before the break of a file, names it, and exits 1",
    async () => {
      const whole = new Uint8Array(await Bun.file(capturePath("traces/missing-syn.pcap")).arrayBuffer());
      using file = writeTemporaryFile(whole.subarray(0, 3000));
      const [output, errors, code] = await runMermin("replay", file.path, "--format", "ndjson");
      expect(code).toBe(1);
      expect(v.parse(span, JSON.parse(output)).attributes["flow.end_reason"]).toBe("forced_end");
      expect(errors).toContain(`Cannot read "${file.path}" beyond byte 1906: cut short`);
    },
    TIMEOUT_MS,
  );

  test(
    "exits 1 without a file",
    async () => {
      const [output, errors, code] = await runMermin("replay", "/nowhere/a.pcap", "--format", "ndjson");
      expect([output, code]).toEqual(["", 1]);
      expect(errors).toContain('Cannot open "/nowhere/a.pcap": no such file');
    },
    TIMEOUT_MS,
  );
});
