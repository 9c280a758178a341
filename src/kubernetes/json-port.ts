// Ports and protocols, as the API server writes them.

import type { TransportProtocol } from "./object.ts";

/** A port's number, 1 to 65535. */
export function portOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535
    ? value
    : undefined;
}

/** The API's default where none, or one that it does not have, is given. */
export function protocolOf(value: unknown): TransportProtocol {
  return value === "UDP" || value === "SCTP" ? value : "TCP";
}
