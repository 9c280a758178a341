// What a scenario is: devices joined across namespaces, what the agent is told to watch, and the exchanges
// it must count exactly. script.ts makes the guest's script of it, judge.ts the verdict.

/** How the two ends talk: 20 UDP datagrams, a TCP stream, 7 echo requests; script.ts has the sizes. */
export type ExchangeKind = "udp" | "tcp" | "icmp";

/** What a flow's spans must say of the packets that carry it. */
export interface ExpectedTunnel {
  /** As `tunnel.type` and `tunnel.id` have them; without id there must be none. */
  readonly type: string;
  readonly id?: string;
  /** As `tunnel.network.transport`. */
  readonly transport: string;
  /** Outer addresses of the client and the server. */
  readonly addresses: readonly [string, string];
  /** UDP port that the tunnel's packets are sent to. */
  readonly port?: number;
  /** Ethernet source of the client's outer frames. */
  readonly mac: string;
  /** Layer-3 bytes of the outer headers, in each packet. */
  readonly headerBytes: number;
}

/** A flow whose packets carry others that nobody can read: told by its outer headers, all there is of it. */
export interface OpaqueFlow {
  readonly transport: string;
  /** Addresses of the agent's end and of the peer's; either may be taken for the initiator. */
  readonly ends: readonly [string, string];
  /** Port of both ends; 0 where there is none. */
  readonly port: number;
  /** `tunnel.type`; absent: there must be none. */
  readonly type?: string;
  /** Numbers that the encrypted packets show: they must be there. */
  readonly numbered: readonly (
    | "flow.ipsec.esp.spi"
    | "flow.ipsec.sender_index"
    | "flow.ipsec.receiver_index"
  )[];
}

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
  /** Absent: no attribute of a tunnel may be told. */
  readonly tunnel?: ExpectedTunnel;
  /** An authentication header in each packet, part of the flow's own bytes. */
  readonly authentication?: { readonly spi: number; readonly headerBytes: number };
  /** True where nobody can read what is exchanged: no flow of it may be told. */
  readonly isHidden?: boolean;
  /** The client's address behind the node's translation: the flow tells it, and there is no other one. */
  readonly translatedAddress?: string;
  /** The server's own address, where the one that is called is translated to it. */
  readonly backendAddress?: string;
  /** Absent: every kind. */
  readonly kinds?: readonly ExchangeKind[];
}

/** One run of the agent. */
export interface Scenario {
  readonly name: string;
  /** Patterns for `capture.interfaces`; absent: the agent's default. */
  readonly interfaces?: readonly string[];
  /** `capture.attach_mode`; absent: the agent's default, which takes the best there is. */
  readonly attachMode?: "clsact";
  /** Lines of the `[parser]` section. */
  readonly parser?: string;
  /** Lines of the `[span]` section, instead of timeouts that no exchange reaches. */
  readonly span?: string;
  /** Devices that must carry both hooks, and devices that must carry none. */
  readonly hooked: readonly string[];
  readonly unhooked?: readonly string[];
  /** True: wait until every flow has been told before the agent is ended, by its timeouts. */
  readonly awaitsTimeouts?: boolean;
  /** True: an agent is killed with SIGKILL first, and the one judged finds what it left. */
  readonly crashesFirst?: boolean;
  /** Text of the one warning that the agent is to log. */
  readonly warning?: string;
  /** Shell commands in the words of guest/steps.sh. */
  readonly setup: string;
  /** Likewise, once the agent counts, before anything is exchanged. */
  readonly whenStarted?: string;
  readonly exchanges: readonly Exchange[];
  readonly opaque?: readonly OpaqueFlow[];
  /**
   * A watched Ethernet device of the agent's that everything passes but what `besides` names, addresses by their
   * beginning. All flows together must be what it has carried: packets, and bytes with the tunnels' own.
   */
  readonly wire?: { readonly device: string; readonly besides: readonly string[] };
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

/**
 * Super-packets of the tunnels reach the cable's hook as they are and are cut up behind it: so its counters are of
 * packets on the wire.
 */
export const CUT_UP = `
for namespace in root peer; do
  in_namespace $namespace ip link set veth0 gso_max_segs 1
done`;
