// How the fuzzer's programs and its reference are set: as an agent's replay, with every tunnel looked for.

import { PARSER_DEFAULTS } from "../../src/capture/parser-config.ts";
import type { ReferenceOptions } from "../support/reference-packet.ts";

/** Ports of the tunnels that are not looked for unless configured. */
export const FUZZ_PORTS = { teredo: 3544, fou: 5555 } as const;

export const FUZZ_REFERENCE: ReferenceOptions = {
  ports: { ...PARSER_DEFAULTS, teredo_ports: [FUZZ_PORTS.teredo], fou_ports: [FUZZ_PORTS.fou] },
  isReplay: true,
  keyIncludesVlan: false,
  keyIncludesTunnelId: false,
};

/** As {@link FUZZ_REFERENCE}, where networks with equal addresses are kept apart. */
export const FUZZ_NETWORKS: ReferenceOptions = {
  ...FUZZ_REFERENCE,
  keyIncludesVlan: true,
  keyIncludesTunnelId: true,
};
