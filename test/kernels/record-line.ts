// A record as a line of ndjson, made by hand for tests of the judges.

/** What a record says. */
export interface Said {
  readonly id: number;
  readonly trace?: number;
  /** Source's port; default 40000. */
  readonly port?: number;
  /** Since the record before, and all so far. Every tenth has an answer. */
  readonly packets: readonly [delta: number, total: number];
}

/** Of UDP from 10.0.0.1 to port 5000 of 10.0.0.2, in packets of `bytes`; without the line's end. */
export function formatRecord({ id, trace = 1, port = 40_000, packets }: Said, bytes: number = 100): string {
  const ways = [
    ["", 1],
    ["reverse.", 10],
  ] as const;
  const counters = ways.flatMap(([way, every]) =>
    (["packets", "bytes"] as const).flatMap((unit) =>
      (["delta", "total"] as const).map((kind, index) => [
        `flow.${way}${unit}.${kind}`,
        Math.floor((packets[index] ?? 0) / every) * (unit === "bytes" ? bytes : 1),
      ]),
    ),
  );
  return JSON.stringify({
    ...{ name: "flow", kind: "CLIENT", startTimeUnixNano: "1", endTimeUnixNano: "2" },
    traceId: String(trace).padStart(32, "0"),
    spanId: String(id).padStart(16, "0"),
    attributes: {
      ...{ "flow.community_id": "1:", "flow.direction": "forward", "flow.end_reason": "active_timeout" },
      ...{ "network.type": "ipv4", "network.transport": "udp", "network.interface.name": "veth0" },
      ...{ "source.address": "10.0.0.1", "source.port": port },
      ...{ "destination.address": "10.0.0.2", "destination.port": 5000 },
      ...Object.fromEntries(counters),
    },
  });
}
