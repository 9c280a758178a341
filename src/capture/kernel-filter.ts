// Filters as the program applies them: which flows are left out before they take a place in FLOW_STATS.
// Comes in: [filter.*], compiled. Goes out: FILTER_ADDRESSES and FILTER_RULES, written.

import type { Probe } from "./probe.ts";

/** A prefix and the lists it stands in. */
export interface KernelPrefix {
  /** 16 bytes in network order, IPv4 mapped. */
  readonly address: Uint8Array;
  /** 0 to 128. */
  readonly bits: number;
  /** `enum filter_list`, those of every wider prefix included. */
  readonly mask: number;
}

/** Filters in the form of bpf/flow.h. */
export interface KernelFilter {
  readonly prefixes: readonly KernelPrefix[];
  /** `struct filter_rules`. */
  readonly rules: Uint8Array;
}

/** Bytes of `struct filter_rules`. */
export const FILTER_RULES_BYTES = 65_824;

/**
 * Writes a filter into a loaded probe, before anything is attached.
 * @throws RangeError for rules of another size; ShimError where the kernel refuses them
 */
export function installFilter(probe: Probe, filter: KernelFilter): void {
  if (filter.rules.byteLength !== FILTER_RULES_BYTES) {
    throw new RangeError(`Filter rules are ${FILTER_RULES_BYTES} bytes, not ${filter.rules.byteLength}`);
  }
  const { library, handle } = probe;
  // The shim gets buffers of their own: small typed arrays move.
  const address = new Uint8Array(new ArrayBuffer(16));
  for (const prefix of filter.prefixes) {
    address.set(prefix.address);
    const result = library.merminbpf_filter_prefix_add(handle, address, prefix.bits, prefix.mask);
    probe.check(result, "Cannot set a filter's address");
  }
  const rules = new Uint8Array(new ArrayBuffer(FILTER_RULES_BYTES));
  rules.set(filter.rules);
  probe.check(library.merminbpf_filter_rules_set(handle, rules), "Cannot set the filter rules");
}
