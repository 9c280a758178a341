// What the two namespaces themselves say about an exchange: /proc/net/snmp and snmp6 of client and
// server, before and after. From them and the plan comes what the agent has to report, to the packet.

import { EXCHANGE_SIZES, type PlannedExchange } from "./script.ts";

/** Layer-3 packets and bytes of one direction. */
export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** Both directions of a flow. */
export interface Expectation {
  readonly forward: Amount;
  readonly reverse: Amount;
}

/** Counters by `Group.Name`; snmp6 has no groups. */
export type Counters = ReadonlyMap<string, number>;

/** The namespace's counters before and after an exchange. */
export interface Testimony {
  readonly before: Counters;
  readonly after: Counters;
}

/** Parses /proc/net/snmp (a line of names, a line of values) followed by snmp6 (a pair a line). */
export function parseCounters(text: string): Counters {
  const counters = new Map<string, number>();
  let names: readonly string[] = [];
  for (const line of text.split("\n")) {
    const [group, ...fields] = line.trim().split(/\s+/);
    if (group === undefined || group === "") continue;
    if (!group.endsWith(":")) {
      counters.set(group, Number(fields[0]));
    } else if (names[0] === group) {
      fields.forEach((value, index) => {
        counters.set(`${group.slice(0, -1)}.${names[index + 1] ?? ""}`, Number(value));
      });
      names = [];
    } else {
      names = [group, ...fields];
    }
  }
  return counters;
}

/** How much a counter grew. */
export function difference(testimony: Testimony, name: string): number {
  const before = testimony.before.get(name);
  const after = testimony.after.get(name);
  if (before === undefined || after === undefined) throw new Error(`no counter ${name}`);
  return after - before;
}

function demand(what: string, seen: number, planned: number): void {
  if (seen !== planned) throw new Error(`the namespace counts ${seen} ${what}, ${planned} were planned`);
}

const UDP_HEADER_BYTES = 8;
const ECHO_HEADER_BYTES = 8;
/** TCP header with time stamps, and the one of SYN and SYN-ACK (MSS, SACK permitted, time stamps, scale). */
const TCP_HEADER_BYTES = 32;
const TCP_OPENING_HEADER_BYTES = 40;

function expectDatagrams(client: Testimony, server: Testimony, isV6: boolean): Expectation {
  const { udpDatagrams, udpBytes, udpAnswerEvery, udpAnswerBytes } = EXCHANGE_SIZES;
  const name = isV6 ? "Udp6OutDatagrams" : "Udp.OutDatagrams";
  const answers = Math.floor(udpDatagrams / udpAnswerEvery);
  demand("datagrams sent by the client", difference(client, name), udpDatagrams);
  demand("datagrams sent by the server", difference(server, name), answers);
  const header = (isV6 ? 40 : 20) + UDP_HEADER_BYTES;
  return {
    forward: { packets: udpDatagrams, bytes: udpDatagrams * (header + udpBytes) },
    reverse: { packets: answers, bytes: answers * (header + udpAnswerBytes) },
  };
}

function expectEchoes(client: Testimony, server: Testimony, isV6: boolean): Expectation {
  const { echoRequests, echoBytes } = EXCHANGE_SIZES;
  const [requests, replies] = isV6
    ? ["Icmp6OutEchos", "Icmp6OutEchoReplies"]
    : ["Icmp.OutEchos", "Icmp.OutEchoReps"];
  demand("echo requests sent", difference(client, requests), echoRequests);
  demand("echo replies sent", difference(server, replies), echoRequests);
  const bytes = echoRequests * ((isV6 ? 40 : 20) + ECHO_HEADER_BYTES + echoBytes);
  return { forward: { packets: echoRequests, bytes }, reverse: { packets: echoRequests, bytes } };
}

function expectStream(testimony: Testimony, payloadBytes: number, isV6: boolean): Amount {
  demand("retransmitted segments", difference(testimony, "Tcp.RetransSegs"), 0);
  const packets = difference(testimony, "Tcp.OutSegs");
  const ipHeader = isV6 ? 40 : 20;
  const opening = ipHeader + TCP_OPENING_HEADER_BYTES;
  return { packets, bytes: opening + (packets - 1) * (ipHeader + TCP_HEADER_BYTES) + payloadBytes };
}

/** What the flow's spans must add up to. Throws where the exchange did not go as planned. */
export function expectFlow(planned: PlannedExchange, client: Testimony, server: Testimony): Expectation {
  const { forward, reverse } = expectPlain(planned, client, server);
  const more = planned.exchange.authentication?.headerBytes ?? 0;
  const withHeaders = ({ packets, bytes }: Amount): Amount => ({ packets, bytes: bytes + packets * more });
  return { forward: withHeaders(forward), reverse: withHeaders(reverse) };
}

function expectPlain(planned: PlannedExchange, client: Testimony, server: Testimony): Expectation {
  const isV6 = planned.exchange.clientAddress.includes(":");
  switch (planned.kind) {
    case "udp":
      return expectDatagrams(client, server, isV6);
    case "icmp":
      return expectEchoes(client, server, isV6);
    case "tcp":
      return {
        forward: expectStream(client, EXCHANGE_SIZES.tcpBytes, isV6),
        reverse: expectStream(server, EXCHANGE_SIZES.tcpAnswerBytes, isV6),
      };
    default:
      return planned.kind satisfies never;
  }
}
