// The part of [filter.*] that the kernel decides: addresses, ports, transport and type. Comes in: the config. Goes out:
// what the programs look at (bpf/flow.h, "Filters"). The kernel leaves out only what the record's filter would.

import type { KernelFilter } from "../capture/kernel-filter.ts";
import { comparePrefixes, containsPrefix, isIpv4Prefix, type Prefix } from "../lib/cidr.ts";
import type { MatchLists } from "../lib/setting.ts";
import type { FilterConfig } from "./filter-config.ts";
import { parsePrefixes, parseRanges, VOCABULARY, type Vocabulary } from "./filter-vocabulary.ts";

/** `enum filter_list`. */
const LIST = {
  source: { match: 1, not_match: 2 },
  destination: { match: 4, not_match: 8 },
} as const;

/** Byte offsets in `struct filter_rules`. */
const RULES = {
  ports: 0,
  protocols: 65_536,
  ipVersions: 65_792,
  addressLists: 65_800,
  portLists: 65_804,
  hasProtocolMatch: 65_808,
  hasVersionMatch: 65_812,
  hasAddresses: 65_816,
  bytes: 65_824,
} as const;

/** Bits of `filter_rules.protocols` and `ip_versions`. */
const IN = { match: 1, not_match: 2 } as const;

interface MaskedPrefix extends Prefix {
  readonly mask: number;
}

const KEYS = ["match", "not_match"] as const;
const ENDS = ["source", "destination"] as const;

/** What the kernel is given; undefined where the config has nothing that it can decide. */
export function compileKernelFilter(config: FilterConfig): KernelFilter | undefined {
  const { network } = config;
  const used = [
    ...ENDS.flatMap((end) => [config[end].address, config[end].port]),
    network.transport,
    network.type,
  ];
  if (used.every(({ match, not_match }) => match.length + not_match.length === 0)) return undefined;
  const prefixes = compilePrefixes(config);
  return {
    prefixes: prefixes.map(({ octets, bits, mask }) => ({ address: octets, bits, mask })),
    rules: compileRules(config, prefixes.length > 0),
  };
}

function compileRules(config: FilterConfig, hasAddresses: boolean): Uint8Array {
  const rules = new Uint8Array(RULES.bytes);
  const view = new DataView(rules.buffer);
  let addressLists = 0;
  let portLists = 0;
  for (const end of ENDS) {
    for (const key of KEYS) {
      const list = LIST[end][key];
      if (config[end].address[key].length > 0) addressLists |= list;
      if (config[end].port[key].length > 0) portLists |= list;
    }
    mark(rules.subarray(RULES.ports, RULES.protocols), config[end].port, VOCABULARY.port, LIST[end]);
  }
  const { transport, type } = config.network;
  mark(rules.subarray(RULES.protocols, RULES.ipVersions), transport, VOCABULARY.transport, IN);
  mark(rules.subarray(RULES.ipVersions, RULES.addressLists), type, VOCABULARY.type, IN);
  view.setUint32(RULES.addressLists, addressLists, true);
  view.setUint32(RULES.portLists, portLists, true);
  view.setUint32(RULES.hasProtocolMatch, Number(transport.match.length > 0), true);
  view.setUint32(RULES.hasVersionMatch, Number(type.match.length > 0), true);
  view.setUint32(RULES.hasAddresses, Number(hasAddresses), true);
  return rules;
}

/** Sets the bit of each list at the numbers its entries stand for. */
function mark(
  masks: Uint8Array,
  lists: MatchLists,
  vocabulary: Vocabulary,
  bits: { readonly match: number; readonly not_match: number },
): void {
  for (const key of KEYS) {
    for (const { least, most } of parseRanges(lists[key], vocabulary)) {
      for (let number = least; number <= most; number++) {
        masks[number] = (masks[number] as number) | bits[key];
      }
    }
  }
}

/** The prefixes of all four lists, once each; the kernel finds only the longest, so it has the lists of the wider ones too. */
function compilePrefixes(config: FilterConfig): readonly MaskedPrefix[] {
  const listed = ENDS.flatMap((end) =>
    KEYS.flatMap((key) =>
      parsePrefixes(config[end].address[key]).map((prefix) => ({ ...prefix, mask: LIST[end][key] })),
    ),
  );
  const ipv4 = inherit(listed.filter(isIpv4Prefix));
  const ipv6 = inherit(listed.filter((prefix) => !isIpv4Prefix(prefix)));
  const isCovered = ipv6.some((prefix) => containsPrefix(prefix, ALL_IPV4));
  const isStated = ipv4.some(({ bits }) => bits === ALL_IPV4.bits);
  // "::/0" means IPv6: where it would be the longest prefix of an IPv4 address, an empty mask stands before it.
  return [...(isCovered && !isStated ? [{ ...ALL_IPV4, mask: 0 }] : []), ...ipv4, ...ipv6];
}

const ALL_IPV4: Prefix = {
  octets: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0),
  bits: 96,
};

/** Adds to each prefix the masks of those that contain it. */
function inherit(prefixes: readonly MaskedPrefix[]): readonly MaskedPrefix[] {
  const merged: MaskedPrefix[] = [];
  const containing: MaskedPrefix[] = [];
  for (const prefix of [...prefixes].sort(comparePrefixes)) {
    while (containing.length > 0 && !containsPrefix(containing.at(-1) ?? prefix, prefix)) containing.pop();
    const outer = containing.at(-1);
    const mask = prefix.mask | (outer?.mask ?? 0);
    if (outer !== undefined && outer.bits === prefix.bits) {
      containing.pop();
      merged.pop();
    }
    merged.push({ ...prefix, mask });
    containing.push({ ...prefix, mask });
  }
  return merged;
}
