// Values of flow.h's structures, read bytewise.

/** Dotted, or eight groups written out. */
export function addressText(view: DataView, offset: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(offset + index * 2));
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (!isMapped) return groups.map((group) => group.toString(16)).join(":");
  return Array.from({ length: 4 }, (_, index) => view.getUint8(offset + 12 + index)).join(".");
}

/** Six octets, with colons. */
export function macText(view: DataView, offset: number): string {
  const octets = Array.from({ length: 6 }, (_, index) => view.getUint8(offset + index));
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":");
}

/** Two 64-bit numbers in a row. */
export function pair(view: DataView, offset: number): readonly [number, number] {
  return [uint64(view, offset), uint64(view, offset + 8)];
}

/** A 64-bit number below 2^53. */
export function uint64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

/** Two 32-bit values, one a direction. */
export function pair32(view: DataView, offset: number): readonly [number, number] {
  return [view.getUint32(offset, true), view.getUint32(offset + 4, true)];
}
