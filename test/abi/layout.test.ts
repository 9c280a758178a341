// bpf/flow.h as the compiler lays it out, against the offsets of src/capture/record.ts.

import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  EXPORTED,
  EXPORTED_BYTES,
  EXPORTED_ENTRY_WORDS,
  EXPORTED_FLAG,
  TAKEN_BYTES,
} from "../../src/capture/exported.ts";
import { FILTER_RULES_BYTES } from "../../src/capture/kernel-filter.ts";
import { loadLibrary } from "../../src/capture/library.ts";
import * as record from "../../src/capture/record.ts";
import { COUNTER_NAMES } from "../../src/capture/stats.ts";
import { compileLayout, findField } from "./flow-header.ts";

/**
 * Layout of schema version 6: of all that a map holds or the ring carries. A change of layout raises
 * MERMIN_SCHEMA_VERSION and then this pair, never the hash alone.
 */
const KNOWN = { version: 6, hash: "55739474c4f062127fb1125052fced1ee4cedf232821a4b878fafe36df8d2213" };

const layout = compileLayout();
const { structs, sizes, constants } = layout;

function offsetOf(struct: string, field: string): number {
  return findField(layout, struct, field).offset;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What a table of record.ts says, as flow.h's names and byte offsets. */
function asBytes(table: Readonly<Record<string, number>>, scale: number): [string, number][] {
  return Object.entries(table).map(([name, offset]) => [snakeCase(name), offset * scale]);
}

describe("flow.h", () => {
  test("has no hole: the fields of each struct follow one another and fill it", () => {
    expect(structs.size).toBeGreaterThanOrEqual(17);
    for (const [name, fields] of structs) {
      let end = 0;
      for (const { offset, size } of fields.values()) {
        expect([name, offset]).toEqual([name, end]);
        end += size;
      }
      expect([name, sizes.get(name)]).toEqual([name, end]);
    }
  });

  test("changes its layout only together with MERMIN_SCHEMA_VERSION", () => {
    const stored = [
      ...["flow_key", "flow_way_stats", "flow_stats", "flow_layer", "flow_details"],
      ...["flow_event", "flow_reopened_event", "flow_overflow_event"],
      ...["scan_state", "table_use", "filter_prefix", "filter_rules", "flow_exported", "flow_taken"],
    ];
    const text = stored.flatMap((name) =>
      [...(structs.get(name) ?? [])].map(([field, { offset, size }]) => `${name}.${field} ${offset} ${size}`),
    );
    const hash = createHash("sha256").update(text.join("\n")).digest("hex");
    expect({ version: constants.get("MERMIN_SCHEMA_VERSION"), hash }).toEqual(KNOWN);
  });

  test("has the schema version of record.ts and of the library", () => {
    expect(constants.get("MERMIN_SCHEMA_VERSION")).toBe(record.SCHEMA_VERSION);
    expect(loadLibrary().merminbpf_schema_version()).toBe(record.SCHEMA_VERSION);
  });

  test("names its counters as stats.ts does, in order", () => {
    const names = [...constants].filter(
      ([name]) => name.startsWith("COUNTER_") && name !== "COUNTER_REASONS",
    );
    const ordered = names.sort(([, left], [, right]) => left - right);
    expect(ordered.map(([name]) => name.slice("COUNTER_".length).toLowerCase())).toEqual([...COUNTER_NAMES]);
    expect(constants.get("COUNTER_REASONS")).toBe(COUNTER_NAMES.length);
  });
});

/** Fields with their offsets, but padding and what the structure begins with. */
function fieldsOf(struct: string): [string, number][] {
  const fields = [...(structs.get(struct) ?? [])];
  return fields
    .filter(([name]) => name !== "event" && !name.startsWith("padding"))
    .map(([name, { offset }]) => [name, offset]);
}

describe("record.ts", () => {
  test("has the sizes of flow.h", () => {
    expect(record.KEY_BYTES).toBe(sizes.get("flow_key") ?? 0);
    expect(record.KEY_WORDS * 4).toBe(record.KEY_BYTES);
    expect(record.VALUE_BYTES).toBe(sizes.get("flow_stats") ?? 0);
    expect(record.VALUE_WORDS * 4).toBe(record.VALUE_BYTES);
    expect(record.WAY_WORDS * 4).toBe(sizes.get("flow_way_stats") ?? 0);
    expect(record.EVENT_BYTES).toBe(sizes.get("flow_event") ?? 0);
    expect(record.REOPENED_EVENT_BYTES).toBe(sizes.get("flow_reopened_event") ?? 0);
    expect(record.OVERFLOW_EVENT_BYTES).toBe(sizes.get("flow_overflow_event") ?? 0);
    expect(record.LAYER_WORDS * 4).toBe(sizes.get("flow_layer") ?? 0);
    expect(record.DETAILS_BYTES).toBe(sizes.get("flow_details") ?? 0);
    expect(record.DETAILS_WORDS * 4).toBe(record.DETAILS_BYTES);
    expect(FILTER_RULES_BYTES).toBe(sizes.get("filter_rules") ?? 0);
  });

  test("has every field of a key at its offset", () => {
    const fields = [...(structs.get("flow_key") ?? [])].filter(([name]) => name !== "padding");
    expect(asBytes(record.KEY, 1).sort()).toEqual(
      fields.map(([name, { offset }]): [string, number] => [name, offset]).sort(),
    );
  });

  test("has every field of a direction at its offset", () => {
    const octets = ["tcp_flags", "first_traffic_class", "first_ttl", "flags"];
    const { octets: octetsWord, ...fields } = record.WAY;
    for (const [name, offset] of asBytes(fields, 4))
      expect([name, offset]).toEqual([name, offsetOf("flow_way_stats", name)]);
    expect(octets.map((name) => offsetOf("flow_way_stats", name))).toEqual(
      [0, 1, 2, 3].map((octet) => octetsWord * 4 + octet),
    );
    const covered = [...Object.keys(fields).map(snakeCase), ...octets];
    expect(covered.sort()).toEqual([...(structs.get("flow_way_stats")?.keys() ?? [])].sort());
    expect(offsetOf("flow_stats", "ways")).toBe(0);
  });

  test("has every shared field at its offset", () => {
    const { vlanAndMac, macRest, icmp, octets, ...fields } = record.SHARED;
    for (const [name, offset] of asBytes(fields, 4))
      expect([name, offset]).toEqual([name, offsetOf("flow_stats", name)]);
    const shared = (name: string): number => offsetOf("flow_stats", name);
    expect(vlanAndMac * 4).toBe(shared("vlan_id"));
    expect(vlanAndMac * 4 + 2).toBe(shared("source_mac"));
    expect(macRest * 4).toBe(shared("source_mac") + 2);
    expect([icmp * 4, icmp * 4 + 2]).toEqual([shared("first_icmp_type"), shared("first_icmp_code")]);
    const octetNames = ["first_way", "initiator", "tcp_state", "flags"];
    expect(octetNames.map(shared)).toEqual([0, 1, 2, 3].map((octet) => octets * 4 + octet));
    const covered = ["ways", "vlan_id", "source_mac", "first_icmp_type", "first_icmp_code", ...octetNames];
    expect([...Object.keys(fields).map(snakeCase), ...covered].sort()).toEqual(
      [...(structs.get("flow_stats")?.keys() ?? [])].sort(),
    );
  });

  test("has the byte offsets of a value at theirs", () => {
    const { icmpType, icmpCode, ...fields } = record.VALUE_BYTE;
    for (const [name, offset] of asBytes(fields, 1))
      expect([name, offset]).toEqual([name, offsetOf("flow_stats", name)]);
    const icmp: readonly number[] = [icmpType, icmpCode];
    expect(icmp).toEqual(["first_icmp_type", "first_icmp_code"].map((name) => offsetOf("flow_stats", name)));
  });

  test("has every field of an event at its offset", () => {
    const isOverflow = ([name]: [string, number]): boolean => name.startsWith("overflow");
    const all = Object.entries(record.EVENT);
    const others = Object.fromEntries(all.filter((entry) => !isOverflow(entry)));
    const own = all
      .filter(isOverflow)
      .map(([name, offset]): [string, number] => [snakeCase(name).slice("overflow_".length), offset]);
    const opened = fieldsOf("flow_event");
    expect(asBytes(others, 1).sort()).toEqual([...opened, ...fieldsOf("flow_reopened_event")].sort());
    expect(own.sort()).toEqual(fieldsOf("flow_overflow_event").sort());
    for (const name of ["flow_reopened_event", "flow_overflow_event"])
      expect(offsetOf(name, "event")).toBe(0);
  });

  test("has every field of a layer at its offset", () => {
    const { octets, ...fields } = record.LAYER;
    const octetNames = ["encapsulation", "ip_version", "protocol", "flags"];
    const inOctets = octetNames.map((name, octet): [string, number] => [name, octets * 4 + octet]);
    expect([...asBytes(fields, 4), ...inOctets].sort()).toEqual(fieldsOf("flow_layer").sort());
  });

  test("has every field of the details at its offset", () => {
    const { tunnel, ipip, ...fields } = record.DETAILS;
    // `depth` is the programs' own.
    const apart = ["layers", "flags", "depth"];
    const found = fieldsOf("flow_details").filter(([name]) => !apart.includes(name));
    expect(asBytes(fields, 4).sort()).toEqual(found.sort());
    const layers = offsetOf("flow_details", "layers");
    const layerBytes = sizes.get("flow_layer") ?? 0;
    expect([tunnel * 4, ipip * 4]).toEqual([
      layers + layerBytes * (constants.get("FLOW_LAYER_TUNNEL") ?? Number.NaN),
      layers + layerBytes * (constants.get("FLOW_LAYER_IPIP") ?? Number.NaN),
    ]);
    expect(record.DETAILS.tunnelMac * 4 + 6).toBe(offsetOf("flow_details", "flags"));
  });

  test("has the values of flow.h's enumerations", () => {
    const {
      DETAILS_FLAG,
      ENCAPSULATION,
      EVENT_KIND,
      FLOW_FLAG,
      ICMP_PAIRING,
      LAYER_FLAG,
      TCP_STATE,
      WAY_FLAG,
    } = record;
    const known: Readonly<Record<string, number>> = {
      ICMP_PAIRED: ICMP_PAIRING.paired,
      ICMP_ECHO: ICMP_PAIRING.echo,
      ICMP_ONE_WAY_LOW: ICMP_PAIRING.oneWayLow,
      ICMP_ONE_WAY_HIGH: ICMP_PAIRING.oneWayHigh,
      FLOW_EVENT_OPENED: EVENT_KIND.opened,
      FLOW_EVENT_REOPENED: EVENT_KIND.reopened,
      FLOW_EVENT_OVERFLOW: EVENT_KIND.overflow,
      FLOW_EVENT_PRESSURE: EVENT_KIND.pressure,
      FLOW_WAY_INTERLEAVED: WAY_FLAG.interleaved,
      FLOW_WAY_ENTERED: WAY_FLAG.entered,
      FLOW_WAY_COPIED: WAY_FLAG.copied,
      FLOW_WAY_AGE: WAY_FLAG.age,
      FLOW_WAY_AWAITED: WAY_FLAG.awaited,
      FLOW_TCP_SEQUENCE: TCP_STATE.sequence,
      FLOW_TCP_FIN_ACTIVE: TCP_STATE.finActive,
      FLOW_TCP_FIN_ACKED: TCP_STATE.finAcked,
      FLOW_TCP_ESTABLISHED: TCP_STATE.established,
      FLOW_TCP_SIMULTANEOUS: TCP_STATE.simultaneous,
      FLOW_SYN_REPEATED: FLOW_FLAG.synRepeated,
      FLOW_HAS_MAC: FLOW_FLAG.hasMac,
      FLOW_HAS_DETAILS: FLOW_FLAG.hasDetails,
      FLOW_LAYER_HAS_ID_LOW: LAYER_FLAG.hasId,
      FLOW_LAYER_HAS_ID_HIGH: LAYER_FLAG.hasId << 1,
      FLOW_LAYER_SEEN_LOW: LAYER_FLAG.seen,
      FLOW_LAYER_SEEN_HIGH: LAYER_FLAG.seen << 1,
      FLOW_DETAILS_HAS_MAC_LOW: DETAILS_FLAG.hasMacLow,
      FLOW_DETAILS_HAS_MAC_HIGH: DETAILS_FLAG.hasMacHigh,
      FLOW_DETAILS_WIREGUARD: DETAILS_FLAG.wireguard,
      ENCAPSULATION_NONE: ENCAPSULATION.none,
      ENCAPSULATION_VXLAN: ENCAPSULATION.vxlan,
      ENCAPSULATION_VXLAN_GPE: ENCAPSULATION.vxlanGpe,
      ENCAPSULATION_GENEVE: ENCAPSULATION.geneve,
      ENCAPSULATION_GRE: ENCAPSULATION.gre,
      ENCAPSULATION_ERSPAN: ENCAPSULATION.erspan,
      ENCAPSULATION_IPIP: ENCAPSULATION.ipip,
      ENCAPSULATION_IP6IP6: ENCAPSULATION.ip6ip6,
      ENCAPSULATION_6IN4: ENCAPSULATION.sixInFour,
      ENCAPSULATION_4IN6: ENCAPSULATION.fourInSix,
      ENCAPSULATION_GTP: ENCAPSULATION.gtp,
      ENCAPSULATION_FOU: ENCAPSULATION.fou,
      ENCAPSULATION_TEREDO: ENCAPSULATION.teredo,
      ENCAPSULATION_WIREGUARD: ENCAPSULATION.wireguard,
      ENCAPSULATION_ESP_IN_UDP: ENCAPSULATION.espInUdp,
      ENCAPSULATION_ESP: ENCAPSULATION.esp,
    };
    const families =
      /^(ICMP_|FLOW_EVENT_|FLOW_WAY_|FLOW_TCP_|FLOW_SYN_|FLOW_HAS_|FLOW_LAYER_(HAS|SEEN)_|FLOW_DETAILS_|ENCAPSULATION_)/;
    const found = [...constants].filter(([name]) => families.test(name));
    expect(Object.fromEntries(found)).toEqual(known);
  });
});

test("exported.ts has every field of an entry at its offset", () => {
  const { octets, flowStart, recordEnd, told, details, nextStart, ...fields } = EXPORTED;
  const offset = (name: string): number => offsetOf("flow_exported", name);
  for (const [name, at] of asBytes(fields, 4)) expect([name, at]).toEqual([name, offset(name)]);
  const renamed = [flowStart, recordEnd, told, details, nextStart].map((word) => word * 4);
  const names = ["flow_start_ns", "record_end_ns", "told_ns", "overhead_bytes", "next_start_ns"];
  expect(renamed).toEqual(names.map(offset));
  expect(offset("fragments") - offset("overhead_bytes")).toBe(32);
  expect(["orientation", "kind", "flags"].map(offset)).toEqual([0, 1, 2].map((octet) => octets * 4 + octet));
  expect(EXPORTED_BYTES).toBe(sizes.get("flow_exported") ?? 0);
  expect(EXPORTED_ENTRY_WORDS * 4).toBe(sizes.get("flow_exported_entry") ?? 0);
  expect(offsetOf("flow_exported_entry", "value")).toBe(record.KEY_BYTES);
  expect(TAKEN_BYTES).toBe(sizes.get("flow_taken") ?? 0);
  expect([offsetOf("flow_taken", "stats"), offsetOf("flow_taken", "told")]).toEqual([0, record.VALUE_BYTES]);
  for (const [name, bit] of Object.entries(EXPORTED_FLAG))
    expect([name, Number(bit)]).toEqual([
      name,
      constants.get(`FLOW_EXPORTED_${snakeCase(name).toUpperCase()}`) ?? 0,
    ]);
});
