// Structs of libmerminbpf/merminbpf.h that cross into TypeScript as bytes, as the compiler lays them out.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { LISTENER, LISTENER_BYTES } from "../../src/capture/listener-record.ts";
import { compileLayout, findField } from "./flow-header.ts";

const HEADER = join(import.meta.dir, "..", "..", "libmerminbpf", "merminbpf.h");

test("merminbpf_listener is as listener-record.ts reads it", () => {
  const layout = compileLayout(HEADER);
  const offsetOf = (field: string): number => findField(layout, "merminbpf_listener", field).offset;
  expect({
    protocol: offsetOf("protocol"),
    ipVersion: offsetOf("ip_version"),
    port: offsetOf("port"),
    address: offsetOf("address"),
    ifindex: offsetOf("ifindex"),
    cgroupId: offsetOf("cgroup_id"),
  }).toEqual(LISTENER);
  expect(layout.structs.get("merminbpf_listener")?.size).toBe(Object.keys(LISTENER).length);
  expect(layout.sizes.get("merminbpf_listener")).toBe(LISTENER_BYTES);
});
