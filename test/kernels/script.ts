// A scenario as the files the guest reads: a shell script for guest/steps.sh and the agent's config.

import type { Exchange, ExchangeKind, Scenario } from "./scenario.ts";

/** Sizes of the exchanges; payload bytes, above UDP, TCP or ICMP. */
export const EXCHANGE_SIZES = {
  udpDatagrams: 20,
  udpBytes: 300,
  /** Every second datagram is answered. */
  udpAnswerEvery: 2,
  udpAnswerBytes: 77,
  /** All of a stream, in one go or in equal rounds. */
  tcpBytes: 100_000,
  tcpAnswerBytes: 20_000,
  /** 2,500 bytes are two segments in one buffer on every device, so nothing can overtake. */
  tcpSteadyRounds: 40,
  echoRequests: 7,
  echoBytes: 56,
} as const;

export const EXCHANGE_KINDS: readonly ExchangeKind[] = ["udp", "tcp", "icmp"];

const SERVER_PORT = 5000;
const FIRST_CLIENT_PORT = 40_000;

/** One exchange of one kind, with what identifies it in the guest's results and in the spans. */
export interface PlannedExchange {
  readonly id: string;
  readonly kind: ExchangeKind;
  readonly exchange: Exchange;
  /** 0 for ICMP. */
  readonly clientPort: number;
  readonly serverPort: number;
}

/** Every exchange of a scenario; `index` is the scenario's place and keeps client ports apart. */
export function planExchanges(scenario: Scenario, index: number): PlannedExchange[] {
  return scenario.exchanges.flatMap((exchange, place) =>
    (exchange.kinds ?? EXCHANGE_KINDS).map((kind) => {
      const hasPorts = kind !== "icmp";
      return {
        id: `${place}-${kind}`,
        kind,
        exchange,
        clientPort: hasPorts ? FIRST_CLIENT_PORT + index * 100 + place : 0,
        serverPort: hasPorts ? SERVER_PORT : 0,
      };
    }),
  );
}

function exchangeCommand(planned: PlannedExchange): string {
  const { exchange, kind } = planned;
  const sizes = EXCHANGE_SIZES;
  const { serverAddress, backendAddress } = exchange;
  const ends = [
    exchange.client,
    exchange.clientAddress,
    planned.clientPort,
    exchange.server,
    backendAddress === undefined ? serverAddress : `${serverAddress}=${backendAddress}`,
    planned.serverPort,
  ].join(" ");
  switch (kind) {
    case "udp":
      return `tool udp ${ends} ${sizes.udpDatagrams} ${sizes.udpBytes} ${sizes.udpAnswerEvery} ${sizes.udpAnswerBytes}`;
    case "tcp": {
      const rounds = exchange.isSteady ? sizes.tcpSteadyRounds : 1;
      return `tool tcp ${ends} ${rounds} ${sizes.tcpBytes / rounds} ${sizes.tcpAnswerBytes / rounds}`;
    }
    case "icmp":
      return [
        `in_namespace ${exchange.client} ping -c ${sizes.echoRequests} -i 0.1 -W 10`,
        `-s ${sizes.echoBytes} -I ${exchange.clientAddress} ${exchange.serverAddress}`,
      ].join(" ");
    default:
      return kind satisfies never;
  }
}

/** The scenario's script: the variables and functions that guest/steps.sh calls for. */
export function formatScript(scenario: Scenario, planned: readonly PlannedExchange[]): string {
  const lines = planned.map((one) => {
    const { client, server } = one.exchange;
    return `exchange ${one.id} ${client} ${server} ${exchangeCommand(one)}`;
  });
  const { whenStarted } = scenario;
  if (whenStarted !== undefined)
    lines.unshift(`(\nset -e\n${whenStarted.trim()}\n) >started.log 2>&1`, "echo $? >started.rc");
  return [
    `hooked="${scenario.hooked.join(" ")}"`,
    `await_spans=${scenario.awaitsTimeouts ? planned.length : 0}`,
    `crash_first=${scenario.crashesFirst ? "yes" : "no"}`,
    `wire=${scenario.wire?.device ?? ""}`,
    `setup() {\n${scenario.setup.trim()}\n}`,
    `exchanges() {\n${lines.join("\n")}\n}`,
    "",
  ].join("\n");
}

const LONG_TIMEOUTS = [
  ...["tcp_timeout", "udp_timeout", "icmp_timeout", "generic_timeout", "tcp_fin_timeout"],
  "max_record_interval",
];

/** The agent's configuration in TOML. */
export function formatConfig(scenario: Scenario): string {
  const interfaces = scenario.interfaces?.map((pattern) => `"${pattern}"`).join(", ");
  return [
    'log_level = "info"',
    "[capture]",
    ...(interfaces === undefined ? [] : [`interfaces = [${interfaces}]`]),
    ...(scenario.attachMode === undefined ? [] : [`attach_mode = "${scenario.attachMode}"`]),
    ...(scenario.parser === undefined ? [] : ["[parser]", scenario.parser]),
    "[span]",
    scenario.span ?? LONG_TIMEOUTS.map((name) => `${name} = "10m"`).join("\n"),
    "[export.stdout]",
    'format = "ndjson"',
    "",
  ].join("\n");
}
