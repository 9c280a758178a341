// What the entries of [filter.*] may say. Comes in: entries as TOML has them. Goes out: ranges of the numbers that
// records hold. A filter on names is one on numbers: no record is ever turned to text for it.

import { type Prefix, parsePrefix } from "../lib/cidr.ts";
import type { NumberRange } from "../lib/ranges.ts";
import { CONNECTION_STATE_NAMES, SPAN_KIND } from "./flow.ts";
import { dscpName, ecnName, icmpCodeName, icmpTypeName, protocolName, tcpFlagTags } from "./names.ts";

/** The entries of one dimension. */
export interface Vocabulary {
  /** In words, as "must be …" goes on. */
  readonly allowed: string;
  /** undefined: not an entry of this dimension. */
  readonly parse: (entry: string | number) => readonly NumberRange[] | undefined;
}

type Dimension =
  | "port"
  | "transport"
  | "type"
  | "interface_index"
  | "interface_mac"
  | "direction"
  | "connection_state"
  | "tcp_flags_tags"
  | "ip_dscp_name"
  | "ip_ecn_name"
  | "ip_ttl"
  | "ip_flow_label"
  | "icmp_type_name"
  | "icmp_code_name";

type Named = readonly [name: string | undefined, number: number];

const ICMP = 1;
const ICMPV6 = 58;

/** A type or code of ICMP or ICMPv6 as one number; `code` is 0 for a type. */
export function icmpNumber(protocol: number, type: number, code: number): number {
  return (protocol << 16) | (type << 8) | code;
}

/** By the dimension's key; those whose entries stand for numbers. */
export const VOCABULARY: Readonly<Record<Dimension, Vocabulary>> = {
  port: numbers('a port from 0 to 65535 or a range such as "8000-9000"', 65_535),
  transport: names(
    'IANA\'s name of a protocol in lower case, such as "tcp", or a number from 0 to 255',
    protocols,
  ),
  type: choice([
    ["ipv4", 4],
    ["ipv6", 6],
  ]),
  interface_index: numbers('an index from 1 to 2147483647 or a range such as "2-9"', 2 ** 31 - 1),
  interface_mac: { allowed: 'a MAC address such as "02:42:ac:11:00:02"', parse: parseMac },
  direction: choice([
    ["forward", SPAN_KIND.client],
    ["reverse", SPAN_KIND.server],
    ["unknown", SPAN_KIND.internal],
  ]),
  connection_state: choice([...CONNECTION_STATE_NAMES].map(([state, name]) => [name, state])),
  tcp_flags_tags: choice(upTo(7).map((bit) => [tcpFlagTags(1 << bit)[0], 1 << bit])),
  ip_dscp_name: choice(upTo(63).map((dscp) => [dscpName(dscp), dscp])),
  ip_ecn_name: choice(upTo(3).map((ecn) => [ecnName(ecn), ecn])),
  ip_ttl: numbers('a number from 0 to 255 or a range such as "1-5"', 255),
  ip_flow_label: numbers('a number from 0 to 1048575 or a range such as "1-1048575"', 0xfffff),
  icmp_type_name: names('the name of an ICMP or ICMPv6 type, such as "echo_request"', icmpTypes),
  icmp_code_name: names('the name of an ICMP or ICMPv6 code, such as "port_unreachable"', icmpCodes),
};

/** The ranges of a validated list. @throws TypeError for an entry that validation refuses */
export function parseRanges(
  entries: readonly (string | number)[],
  { allowed, parse }: Vocabulary,
): readonly NumberRange[] {
  return entries.flatMap((entry) => {
    const ranges = parse(entry);
    if (ranges === undefined) throw new TypeError(`Filter entry "${entry}" must be ${allowed}`);
    return ranges;
  });
}

/** The prefixes of a validated list. @throws TypeError for an entry that validation refuses */
export function parsePrefixes(entries: readonly (string | number)[]): readonly Prefix[] {
  return entries.map((entry) => {
    const prefix = parsePrefix(String(entry));
    if (prefix === undefined) throw new TypeError(`Filter entry "${entry}" must be an address or a network`);
    return prefix;
  });
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last + 1 }, (_, number) => number);
}

/** Few names: the message tells them all. */
function choice(pairs: readonly Named[]): Vocabulary {
  const known = pairs.flatMap(([name]) => (name === undefined ? [] : [`"${name}"`]));
  return names(`one of ${known.join(", ")}`, () => pairs);
}

/** Names in any case; one may stand for several numbers. The pairs are made when an entry is first read. */
function names(allowed: string, pairs: () => readonly Named[]): Vocabulary {
  let byName: ReadonlyMap<string, readonly NumberRange[]> | undefined;
  return {
    allowed,
    parse: (entry) => {
      byName ??= groupByName(pairs());
      return byName.get(String(entry).toLowerCase());
    },
  };
}

function groupByName(pairs: readonly Named[]): ReadonlyMap<string, readonly NumberRange[]> {
  const byName = new Map<string, NumberRange[]>();
  for (const [name, number] of pairs) {
    if (name === undefined) continue;
    const ranges = byName.get(name.toLowerCase()) ?? [];
    ranges.push({ least: number, most: number });
    byName.set(name.toLowerCase(), ranges);
  }
  return byName;
}

/** A number, with or without quotes, or a range in quotes. */
function numbers(allowed: string, most: number): Vocabulary {
  const parse = (entry: string | number): readonly NumberRange[] | undefined => {
    const [, first, last] = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(String(entry)) ?? [];
    const range = { least: Number(first), most: Number(last ?? first) };
    return range.least <= range.most && range.most <= most ? [range] : undefined;
  };
  return { allowed, parse };
}

/** One number of 48 bits, as the two words of a record hold it. */
function parseMac(entry: string | number): readonly NumberRange[] | undefined {
  const text = String(entry);
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  const octets = text.split(":").map((octet) => Number.parseInt(octet, 16));
  const mac = octets.reduceRight((number, octet) => number * 256 + octet, 0);
  return [{ least: mac, most: mac }];
}

function protocols(): readonly Named[] {
  return upTo(255).flatMap((protocol): readonly Named[] => [
    [protocolName(protocol), protocol],
    [String(protocol), protocol],
  ]);
}

function icmpTypes(): readonly Named[] {
  return [ICMP, ICMPV6].flatMap((protocol) =>
    upTo(255).map((type): Named => [icmpTypeName(protocol, type), icmpNumber(protocol, type, 0)]),
  );
}

/** Only types that are assigned have codes with names. */
function icmpCodes(): readonly Named[] {
  return [ICMP, ICMPV6].flatMap((protocol) =>
    upTo(255)
      .filter((type) => icmpTypeName(protocol, type) !== undefined)
      .flatMap((type) =>
        upTo(255).map(
          (code): Named => [icmpCodeName(protocol, type, code), icmpNumber(protocol, type, code)],
        ),
      ),
  );
}
