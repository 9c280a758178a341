// Decides on complete records whether their flows, and they themselves, are told. Comes in: [filter.*], then rows.
// Goes out: verdicts. Runs on the capture thread: the entries are compiled to sets of numbers, rows are never turned to
// text.

import { number64 } from "../capture/record.ts";
import { PrefixSet } from "../lib/cidr.ts";
import { compileGlobs } from "../lib/glob.ts";
import { NumberSet } from "../lib/ranges.ts";
import type { MatchLists } from "../lib/setting.ts";
import type { FilterConfig } from "./filter-config.ts";
import { icmpNumber, parsePrefixes, parseRanges, VOCABULARY, type Vocabulary } from "./filter-vocabulary.ts";
import { CONNECTION_STATE, RECORD, RECORD_FLAG, type RecordFilter, SPAN_KIND } from "./flow.ts";

type Decide = RecordFilter["acceptsFlow"];
/** A number of a record's row; {@link ABSENT} is in no list. */
type ReadNumber = (words: Uint32Array, at: number) => number;

/** Name of an interface; undefined if it is not known. */
export type FindInterfaceName = (ifindex: number) => string | undefined;

const ABSENT = -1;
const ICMP = 1;
const ICMPV6 = 58;
/** Verdicts on names that are remembered at once; interfaces come and go. */
const REMEMBERED_NAMES = 4096;

/**
 * The filter of every dimension that has entries; undefined where none has.
 * @param interfaceName undefined: nobody knows where the packets were seen, so no interface matches
 */
export function createRecordFilter(
  config: FilterConfig,
  interfaceName: FindInterfaceName | undefined,
): RecordFilter | undefined {
  const decisions = [...decideNetwork(config, interfaceName), ...decideEnds(config), ...decideFlow(config)];
  const used = decisions.filter((decide) => decide !== undefined);
  const decideRecord = decideNumber(
    config.flow.connection_state,
    VOCABULARY.connection_state,
    readConnectionState,
  );
  if (used.length === 0 && decideRecord === undefined) return undefined;
  return {
    acceptsFlow(words, at) {
      for (const decide of used) if (!decide(words, at)) return false;
      return true;
    },
    acceptsRecord: decideRecord ?? (() => true),
  };
}

function decideEnds({ source, destination }: FilterConfig): readonly (Decide | undefined)[] {
  const { port } = VOCABULARY;
  return [
    decideAddress(source.address, RECORD.sourceAddress),
    decideAddress(destination.address, RECORD.destinationAddress),
    decideNumber(source.port, port, (words, at) => (words[at + RECORD.ports] as number) & 0xffff),
    decideNumber(destination.port, port, (words, at) => (words[at + RECORD.ports] as number) >>> 16),
  ];
}

function decideNetwork(
  { network }: FilterConfig,
  interfaceName: FindInterfaceName | undefined,
): readonly (Decide | undefined)[] {
  const { transport, type, interface_index, interface_mac } = VOCABULARY;
  const isPlaceKnown = interfaceName !== undefined;
  return [
    decideNumber(network.transport, transport, readProtocol),
    decideNumber(network.type, type, (words, at) => ((words[at + RECORD.identity] as number) >>> 8) & 0xff),
    decideNumber(network.interface_index, interface_index, (words, at) => {
      const ifindex = words[at + RECORD.ifindex] as number;
      return isPlaceKnown && ifindex !== 0 ? ifindex : ABSENT;
    }),
    decideInterfaceName(network.interface_name, interfaceName ?? (() => undefined)),
    decideNumber(network.interface_mac, interface_mac, readMac),
  ];
}

function decideFlow({ flow }: FilterConfig): readonly (Decide | undefined)[] {
  const { direction, ip_dscp_name, ip_ecn_name, ip_ttl, ip_flow_label } = VOCABULARY;
  return [
    decideNumber(flow.direction, direction, readDirection),
    decideTcpFlags(flow.tcp_flags_tags),
    decideNumber(flow.ip_dscp_name, ip_dscp_name, readDscp),
    decideNumber(flow.ip_ecn_name, ip_ecn_name, readEcn),
    decideNumber(flow.ip_ttl, ip_ttl, readTtl),
    decideNumber(flow.ip_flow_label, ip_flow_label, readFlowLabel),
    decideNumber(flow.icmp_type_name, VOCABULARY.icmp_type_name, (words, at) => readIcmp(words, at, 0)),
    decideNumber(flow.icmp_code_name, VOCABULARY.icmp_code_name, (words, at) => readIcmp(words, at, 0xff)),
    decideLeast(flow.min_bytes, RECORD.bytesTotal, RECORD.reverseBytesTotal),
    decideLeast(flow.min_packets, RECORD.packetsTotal, RECORD.reversePacketsTotal),
  ];
}

/** undefined: the lists have no entries. */
function decideNumber(lists: MatchLists, vocabulary: Vocabulary, read: ReadNumber): Decide | undefined {
  const { match, not_match } = lists;
  if (match.length + not_match.length === 0) return undefined;
  const wanted = match.length === 0 ? undefined : new NumberSet(parseRanges(match, vocabulary));
  const unwanted = new NumberSet(parseRanges(not_match, vocabulary));
  return (words, at) => {
    const number = read(words, at);
    return !unwanted.contains(number) && (wanted === undefined || wanted.contains(number));
  };
}

function decideAddress({ match, not_match }: MatchLists, word: number): Decide | undefined {
  if (match.length + not_match.length === 0) return undefined;
  const wanted = match.length === 0 ? undefined : new PrefixSet(parsePrefixes(match));
  const unwanted = new PrefixSet(parsePrefixes(not_match));
  return (words, at) =>
    !unwanted.contains(words, at + word) && (wanted === undefined || wanted.contains(words, at + word));
}

/** The flags of both ways are one set: any of it may match, none may be unwanted. */
function decideTcpFlags({ match, not_match }: MatchLists): Decide | undefined {
  if (match.length + not_match.length === 0) return undefined;
  const bitsOf = (entries: MatchLists["match"]): number =>
    parseRanges(entries, VOCABULARY.tcp_flags_tags).reduce((bits, { least }) => bits | least, 0);
  const wanted = bitsOf(match);
  const unwanted = bitsOf(not_match);
  return (words, at) => {
    const octets = words[at + RECORD.octets] as number;
    const flags = (octets | (octets >>> 8)) & 0xff;
    return (flags & unwanted) === 0 && (wanted === 0 || (flags & wanted) !== 0);
  };
}

/** Patterns are tried once a name, not once a flow: a name may go to another interface, and an index get another name. */
function decideInterfaceName(
  { match, not_match }: MatchLists,
  interfaceName: FindInterfaceName,
): Decide | undefined {
  if (match.length + not_match.length === 0) return undefined;
  const isWanted = compileGlobs(match.map(String));
  const isUnwanted = compileGlobs(not_match.map(String));
  const verdicts = new Map<string, boolean>();
  return (words, at) => {
    const name = interfaceName(words[at + RECORD.ifindex] as number);
    if (name === undefined) return match.length === 0;
    let verdict = verdicts.get(name);
    if (verdict === undefined) {
      verdict = !isUnwanted(name) && (match.length === 0 || isWanted(name));
      if (verdicts.size >= REMEMBERED_NAMES) verdicts.clear();
      verdicts.set(name, verdict);
    }
    return verdict;
  };
}

/** @param forward word offset of a 64-bit total; `reverse` that of the other way */
function decideLeast(least: number, forward: number, reverse: number): Decide | undefined {
  if (least === 0) return undefined;
  return (words, at) => number64(words, at + forward) + number64(words, at + reverse) >= least;
}

function readProtocol(words: Uint32Array, at: number): number {
  return (words[at + RECORD.identity] as number) & 0xff;
}

/** What is neither forward nor reverse is told as unknown. */
function readDirection(words: Uint32Array, at: number): number {
  const kind = ((words[at + RECORD.identity] as number) >>> 16) & 0xff;
  return kind === SPAN_KIND.client || kind === SPAN_KIND.server ? kind : SPAN_KIND.internal;
}

function readConnectionState(words: Uint32Array, at: number): number {
  if (((words[at + RECORD.flags] as number) & RECORD_FLAG.hasTcp) === 0) return ABSENT;
  const state = (words[at + RECORD.connectionState] as number) & 0xff;
  return state === CONNECTION_STATE.unknown ? ABSENT : state;
}

function readMac(words: Uint32Array, at: number): number {
  if (((words[at + RECORD.flags] as number) & RECORD_FLAG.hasMac) === 0) return ABSENT;
  return number64(words, at + RECORD.sourceMac);
}

function readDscp(words: Uint32Array, at: number): number {
  const way = measuredWay(words, at);
  return way < 0 ? ABSENT : ((words[at + RECORD.octets] as number) >>> (16 + way * 8 + 2)) & 0x3f;
}

function readEcn(words: Uint32Array, at: number): number {
  const way = measuredWay(words, at);
  return way < 0 ? ABSENT : ((words[at + RECORD.octets] as number) >>> (16 + way * 8)) & 3;
}

function readTtl(words: Uint32Array, at: number): number {
  const way = measuredWay(words, at);
  return way < 0 ? ABSENT : ((words[at + RECORD.ttl] as number) >>> (way * 8)) & 0xff;
}

function readFlowLabel(words: Uint32Array, at: number): number {
  const way = measuredWay(words, at);
  const isIpv6 = (((words[at + RECORD.identity] as number) >>> 8) & 0xff) === 6;
  return way < 0 || !isIpv6 ? ABSENT : (words[at + RECORD.flowLabel + way] as number);
}

/** Later fragments are a flow without Community ID's ports: their type and code are in another packet. */
function readIcmp(words: Uint32Array, at: number, codeMask: number): number {
  const way = measuredWay(words, at);
  const protocol = readProtocol(words, at);
  const isIcmp = protocol === ICMP || protocol === ICMPV6;
  if (way < 0 || !isIcmp || words[at + RECORD.communityPorts] === 0) return ABSENT;
  const message = (words[at + RECORD.icmp] as number) >>> (way * 16);
  return icmpNumber(protocol, message & 0xff, (message >>> 8) & codeMask);
}

/** 0: the record has a forward packet; 1: only a reverse one; {@link ABSENT}: none was looked at. */
function measuredWay(words: Uint32Array, at: number): number {
  const flags = words[at + RECORD.flags] as number;
  if ((flags & RECORD_FLAG.hasForward) !== 0) return 0;
  return (flags & RECORD_FLAG.hasReverse) !== 0 ? 1 : ABSENT;
}
