// [parser]: the UDP ports behind which the program looks for another packet.

import * as v from "valibot";
import { integersSetting, type Section } from "../lib/setting.ts";

/** UDP ports by what their datagrams carry. A port is in one list at most. */
export interface ParserConfig {
  readonly vxlan_ports: readonly number[];
  readonly vxlan_gpe_ports: readonly number[];
  readonly geneve_ports: readonly number[];
  readonly gtp_ports: readonly number[];
  readonly teredo_ports: readonly number[];
  readonly fou_ports: readonly number[];
  readonly wireguard_ports: readonly number[];
  readonly esp_ports: readonly number[];
}

/** Ports of one list: eight lists fill the program's 64 places. */
const MOST_PORTS = 8;

/** The section as it is written in TOML. */
export const parserSection: Section<ParserConfig> = v.strictObject({
  vxlan_ports: portsSetting([4789, 8472], "UDP destination ports of VXLAN; 8472 is Linux' own."),
  vxlan_gpe_ports: portsSetting([4790], "UDP destination ports of VXLAN-GPE."),
  geneve_ports: portsSetting([6081], "UDP destination ports of Geneve."),
  gtp_ports: portsSetting([2152], "UDP destination ports of GTP-U."),
  teredo_ports: portsSetting(
    [],
    "UDP ports of Teredo, at either end. None by default: clients of other services use its port 3544 too.",
    "[3544]",
  ),
  fou_ports: portsSetting(
    [],
    "UDP destination ports of foo-over-UDP: an IP packet, or a GRE header and what it carries, directly in the datagram.",
    "[5555]",
  ),
  wireguard_ports: portsSetting(
    [51_820],
    "UDP ports of WireGuard, at either end. What it carries is encrypted: its indices are told with the outer flow.",
  ),
  esp_ports: portsSetting(
    [4500],
    "UDP ports of ESP in UDP (IPsec behind address translation), at either end. Its SPI is told with the outer flow.",
  ),
});

/** The section of an empty file. */
export const PARSER_DEFAULTS: ParserConfig = v.parse(parserSection, {});

/** Ports that stand in two lists, each with both lists' names; empty where none does. */
export function findSharedPorts(
  parser: ParserConfig,
): readonly { readonly port: number; readonly list: string; readonly other: string }[] {
  const lists = Object.entries<readonly number[]>({ ...parser }).map(
    ([list, ports]) => [list, new Set(ports)] as const,
  );
  return lists.flatMap(([list, ports], index) =>
    lists
      .slice(0, index)
      .flatMap(([other, others]) => [...ports.intersection(others)].map((port) => ({ port, list, other }))),
  );
}

function portsSetting(
  initial: readonly number[],
  description: string,
  example?: string,
): v.GenericSchema<unknown, readonly number[]> {
  const facts = example === undefined ? { description } : { description, example };
  return integersSetting(initial, { minimum: 1, maximum: 65_535, most: MOST_PORTS }, facts);
}
