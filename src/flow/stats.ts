// The flow stage's counters, read by telemetry.

/** A snapshot of the flow table; cumulative unless said otherwise. */
export interface TableStats {
  /** Flows live now. */
  readonly active: number;
  readonly created: number;
  /** Flows removed, told or with nothing left to tell. */
  readonly released: number;
  /** Records told, by IPFIX end reason 1–5 (index 0 unused). */
  readonly recordsByEndReason: readonly number[];
  /** Sum of the deltas told, both directions. */
  readonly packetsTold: number;
  readonly bytesTold: number;
  /** Held counts of candidate hooks that were added when a flow ended (also told). */
  readonly packetsSettled: number;
  readonly bytesSettled: number;
  /** Packets in the table and not told yet. */
  readonly packetsPending: number;
  /** Flows whose kernel entry was gone (or begun anew) without our removing it, and what they had pending then. */
  readonly absent: number;
  readonly packetsAbsent: number;
  /** Lives of a 5-tuple whose end went unnoticed: told with the life before or after. */
  readonly livesMerged: number;
  /** Flows that left for want of room: ended with reason `lack_of_resources` and taken from the kernel's table. */
  readonly evicted: number;
  /** Packets of flows that found no room in the kernel's table, taken in from events (told with the others). */
  readonly packetsOverflow: number;
  /** Such packets seen again at another hook: in no flow. */
  readonly packetsOverflowDuplicate: number;
  /** Left out by `[filter.*]` after they were counted: neither in `packetsTold` nor in `recordsByEndReason`. */
  readonly packetsFiltered: number;
  readonly bytesFiltered: number;
  readonly recordsFiltered: number;
  /** Of the view of a translated conversation that is not told, as its other one is: in none of the counts above. */
  readonly packetsTranslated: number;
  readonly bytesTranslated: number;
  /** Translated connections known now, and those forgotten for want of room. */
  readonly translations: number;
  readonly translationsEvicted: number;
  /** Flows told in their own right, as zones of conntrack's translate them in different ways. */
  readonly translationsContested: number;
}
