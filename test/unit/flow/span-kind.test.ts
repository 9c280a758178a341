import { describe, expect, test } from "bun:test";
import { type Path, RULE, spanKind } from "../../../src/flow/direction.ts";
import { SPAN_KIND } from "../../../src/flow/flow.ts";
import { CONTEXT } from "./driver.ts";
import { keyOf } from "./kernel-model.ts";

const LOW = 0;
const POD_INGRESS = 1 << 1;
const POD_EGRESS = (1 << 1) | 1;
const NIC_INGRESS = 2 << 1;
const NIC_EGRESS = (2 << 1) | 1;

describe("spanKind is", () => {
  const kinds: readonly (readonly [string, Partial<Path>, number, number?])[] = [
    [
      "CLIENT for a pod that calls out",
      { forwardHook: POD_INGRESS, reverseHook: NIC_INGRESS },
      SPAN_KIND.client,
    ],
    [
      "CLIENT for the host that calls out",
      { forwardHook: NIC_EGRESS, reverseHook: NIC_INGRESS },
      SPAN_KIND.client,
    ],
    [
      "CLIENT where both ends are local",
      { forwardHook: POD_INGRESS, reverseHook: POD_INGRESS },
      SPAN_KIND.client,
    ],
    [
      "SERVER for a pod that answers",
      { forwardHook: NIC_INGRESS, reverseHook: POD_INGRESS },
      SPAN_KIND.server,
    ],
    [
      "SERVER for the host that answers",
      { forwardHook: NIC_INGRESS, reverseHook: NIC_EGRESS },
      SPAN_KIND.server,
    ],
    [
      "INTERNAL for forwarded packets",
      { forwardHook: NIC_EGRESS, hasForwardEntered: true, reverseHook: NIC_EGRESS, hasReverseEntered: true },
      SPAN_KIND.internal,
    ],
    [
      "SERVER where a pod was sent to and has not answered",
      { forwardHook: POD_EGRESS, hasForwardEntered: true },
      SPAN_KIND.server,
    ],
    [
      "CLIENT for the host that calls a pod",
      { forwardHook: POD_EGRESS, reverseHook: POD_INGRESS },
      SPAN_KIND.client,
    ],
    [
      "SERVER where the host was sent to and has not answered",
      { forwardHook: NIC_INGRESS },
      SPAN_KIND.server,
      4,
    ],
    ["INTERNAL where another host was sent to", { forwardHook: NIC_INGRESS }, SPAN_KIND.internal],
    ["INTERNAL where no hook is known", {}, SPAN_KIND.internal],
  ];
  for (const [name, path, kind, hostAddressAt] of kinds) {
    test(name, () => {
      const context = { ...CONTEXT, isLocalAddress: (_: Uint32Array, at: number) => at === hostAddressAt };
      const full: Path = {
        forwardHook: 0,
        reverseHook: 0,
        hasForwardEntered: false,
        hasReverseEntered: false,
        ...path,
      };
      expect(spanKind(keyOf({}), 0, (RULE.ports << 1) | LOW, full, context)).toBe(kind);
    });
  }

  test("INTERNAL where the initiator is unknown, wherever the ends are", () => {
    const path: Path = {
      forwardHook: POD_INGRESS,
      reverseHook: 0,
      hasForwardEntered: false,
      hasReverseEntered: false,
    };
    expect(spanKind(keyOf({}), 0, RULE.firstPacket << 1, path, CONTEXT)).toBe(SPAN_KIND.internal);
  });
});
