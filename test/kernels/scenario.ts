// What a scenario is: devices joined across namespaces, what the agent is told to watch, and the exchanges
// it must count exactly. script.ts makes the guest's script of it, judge.ts the verdict.

/** How the two ends talk: 20 UDP datagrams, a TCP stream, 7 echo requests; script.ts has the sizes. */
export type ExchangeKind = "udp" | "tcp" | "icmp";

/** Exchanges between one client address and one server address. */
export interface Exchange {
  readonly name: string;
  /** Namespaces: `root` is the agent's. */
  readonly client: string;
  readonly server: string;
  readonly clientAddress: string;
  readonly serverAddress: string;
  /** The tag the flow's span must carry; `null`: none; absent: not judged. */
  readonly vlanId?: number | null;
  /**
   * True: the TCP stream goes in small rounds. Tunnel devices were seen to reorder a stream under load (ipip,
   * gre, Linux 6.1); TCP then sends options and segments that nobody planned.
   */
  readonly isSteady?: boolean;
  /** True where the observed device has no Ethernet header: the span has no MAC. */
  readonly isLayer3Device?: boolean;
}

/** One run of the agent. */
export interface Scenario {
  readonly name: string;
  /** Patterns for `capture.interfaces`; absent: the agent's default. */
  readonly interfaces?: readonly string[];
  /** `capture.attach_mode`; absent: the agent's default, which takes the best there is. */
  readonly attachMode?: "clsact";
  /** Lines of the `[span]` section, instead of timeouts that no exchange reaches. */
  readonly span?: string;
  /** Devices that must carry both hooks, and devices that must carry none. */
  readonly hooked: readonly string[];
  readonly unhooked?: readonly string[];
  /** True: wait until every flow has been told before the agent is ended, by its timeouts. */
  readonly awaitsTimeouts?: boolean;
  /** True: an agent is killed with SIGKILL first, and the one judged finds what it left. */
  readonly crashesFirst?: boolean;
  /** Shell commands in the words of guest/steps.sh. */
  readonly setup: string;
  readonly exchanges: readonly Exchange[];
}

/** Exchanges between the agent's namespace and `peer`, unless `rest` says otherwise. */
export function between(
  name: string,
  addresses: readonly [string, string],
  rest: Partial<Exchange> = {},
): Exchange {
  const [clientAddress, serverAddress] = addresses;
  return { name, client: "root", server: "peer", clientAddress, serverAddress, ...rest };
}

/** A namespace `peer`, joined to the agent's by a veth pair: veth0 on both sides. */
export const CABLE: string = `
add_namespace peer
add_cable root veth0 peer veth0`;
