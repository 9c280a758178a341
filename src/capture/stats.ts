// The capture stage's counters, read by telemetry. Plain numbers: telemetry asks, capture never tells.

/** Packets and bytes of one reason of COUNTERS (bpf/flow.h, enum counter_reason), summed over CPUs. */
export interface KernelCounter {
  readonly packets: number;
  readonly bytes: number;
}

/** Names of COUNTERS by index, as metrics and the statistics line say them. */
export const COUNTER_NAMES = [
  "accounted",
  "duplicate",
  "taken_over",
  "ring_full",
  "map_full",
  "map_busy",
  "not_ip",
  "unsupported_link",
  "malformed_link",
  "malformed_ipv4",
  "malformed_ipv6",
  "malformed_tcp",
  "malformed_udp",
  "malformed_sctp",
  "malformed_icmp",
  "parse_depth",
  "fragment",
  "malformed_extension",
  "fragment_reordered",
  "fragment_encapsulated",
  "encapsulated_unread",
  "details_full",
  "overflow",
  "filtered",
  "sampled_out",
] as const;

/** One attached interface. Index 0 ingress, 1 egress. */
export interface InterfaceStats {
  readonly ifindex: number;
  readonly name: string;
  readonly mode: "tcx" | "clsact";
  readonly packets: readonly [number, number];
  readonly bytes: readonly [number, number];
}

/** Network namespaces whose listening sockets are asked for, the host's own among them. */
export interface NamespaceStats {
  /** Known now, and those that could not be found or entered (now). */
  readonly read: number;
  readonly unread: number;
  /** Readings, ever. */
  readonly reads: number;
}

/** Whether what is counted outlives the agent. */
export interface Persistence {
  readonly isWanted: boolean;
  /** Why it does not, where it should. */
  readonly failure: string | undefined;
}

/** How conntrack is followed. */
export interface ConntrackStats {
  readonly isFollowed: boolean;
  /** How often events were lost, so that all translated connections were listed anew. */
  readonly resyncs: number;
  /** How often it could no longer be followed, and was tried again. */
  readonly interruptions: number;
}

/** Where nobody asks conntrack. */
export const NOT_FOLLOWED: ConntrackStats = { isFollowed: false, resyncs: 0, interruptions: 0 };

/** A snapshot of the capture stage; cumulative unless said otherwise. */
export interface CaptureStats {
  /** In the order of {@link COUNTER_NAMES}. */
  readonly counters: readonly KernelCounter[];
  readonly interfaces: readonly InterfaceStats[];
  /** Interfaces that match but could not be attached (now). */
  readonly failedInterfaces: number;
  readonly namespaces: NamespaceStats;
  /** Attached interfaces at which another program keeps packets from ours (now). */
  readonly shadowedInterfaces: number;
  /** How often the kernel dropped notices of interface changes, so that all were looked at anew. */
  readonly interfaceResyncs: number;
  readonly ringBytesPending: number;
  readonly scans: number;
  /** Scans whose period was stretched because scanning took over 30 % of a core. */
  readonly stretchedScans: number;
  /** Scans made at once because the table was nearly full, with up to 60 % of a core. */
  readonly pressedScans: number;
  readonly mapEntries: number;
  readonly mapCapacity: number;
  /** Records handed to the export thread, and refused because it was too far behind (lost, stage decorate). */
  readonly recordsSent: number;
  readonly recordsRefused: number;
  /** Replay: packets judged malformed before the program could see them. */
  readonly shortPackets: number;
  /**
   * Packets that programs of another schema version took for flows or sent as events, between its agent's end and
   * this one's start.
   */
  readonly packetsSetOff: number;
  readonly persistence: Persistence;
  readonly conntrack: ConntrackStats;
}
