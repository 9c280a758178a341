// What telemetry reads of a flow table: the counters of its two kinds of flows, added up.

import type { Lives } from "./lives.ts";
import type { OverflowFlows } from "./overflow.ts";
import type { TableStats } from "./stats.ts";
import type { Translator } from "./translator.ts";

/** The counters of a table as they are now; `evicted` are flows that went for want of room. */
export function countTable(
  lives: Lives,
  overflowLives: Lives,
  overflow: OverflowFlows,
  { evicted, translator }: { readonly evicted: number; readonly translator: Translator },
): TableStats {
  const { teller } = lives;
  const { created, released, teller: others } = overflowLives;
  return {
    active: lives.slots.size + overflow.size,
    created: lives.created + created,
    released: lives.released + released,
    recordsByEndReason: teller.recordsByEndReason.map((n, i) => n + (others.recordsByEndReason[i] ?? 0)),
    packetsTold: teller.packetsTold + others.packetsTold,
    bytesTold: teller.bytesTold + others.bytesTold,
    packetsSettled: teller.packetsSettled,
    bytesSettled: teller.bytesSettled,
    packetsPending: lives.packetsPending + overflow.packetsPending,
    absent: lives.absent,
    packetsAbsent: lives.packetsAbsent,
    livesMerged: lives.livesMerged,
    evicted,
    packetsOverflow: overflow.packets,
    packetsOverflowDuplicate: overflow.packetsDuplicate,
    packetsFiltered: teller.packetsFiltered + others.packetsFiltered,
    bytesFiltered: teller.bytesFiltered + others.bytesFiltered,
    recordsFiltered: teller.recordsFiltered + others.recordsFiltered,
    packetsTranslated: teller.packetsTranslated + others.packetsTranslated,
    bytesTranslated: teller.bytesTranslated + others.bytesTranslated,
    translations: translator.size,
    translationsEvicted: translator.evicted,
    translationsContested: translator.contested,
  };
}
