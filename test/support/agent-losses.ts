// Losses of packets that were never in a record, by their names in the statistics line.

const PACKET_LOSSES = [
  "lost_kernel_map_full",
  "lost_kernel_map_busy",
  "lost_kernel_delete_race",
  "lost_kernel_schema_upgrade",
  "lost_table_entry_gone",
] as const;

/** Packets lost, as an agent's last statistics line has it. */
export function countLost(statistics: ReadonlyMap<string, number>): number {
  return PACKET_LOSSES.reduce((sum, name) => sum + (statistics.get(name) ?? 0), 0);
}
