import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { findResource, openResource } from "../../../src/export/resource.ts";

describe("findResource", () => {
  test("names the service, itself as the SDK, the distribution and the host", () => {
    const resource = findResource({ version: "1.2.3", configured: {} });
    expect(Object.fromEntries(resource)).toMatchObject({
      "service.name": "mermin",
      "service.version": "1.2.3",
      "telemetry.sdk.name": "mermin",
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.version": "1.2.3",
      "telemetry.distro.name": "mermin",
      "telemetry.distro.version": "1.2.3",
      "host.name": hostname(),
      "os.type": "linux",
    });
  });

  test("lists addresses without loopback and link-local ones", () => {
    const addresses = findResource({ version: "0", configured: {} }).get("host.ip") ?? [];
    for (const address of addresses) {
      expect(isIP(address)).not.toBe(0);
      expect(address).not.toMatch(/^(127\.|169\.254\.|::1$|fe[89ab])/);
    }
  });

  test("reads the machine id, and leaves host.id out where there is none", async () => {
    const path = join(tmpdir(), `mermin-machine-id-${process.pid}`);
    await Bun.write(path, "0123456789abcdef0123456789abcdef\n");
    try {
      const resource = findResource({ version: "0", configured: {}, machineIdPath: path });
      expect(resource.get("host.id")).toBe("0123456789abcdef0123456789abcdef");
    } finally {
      await Bun.file(path).delete();
    }
    expect(findResource({ version: "0", configured: {}, machineIdPath: path }).has("host.id")).toBe(false);
  });

  test("lets the configuration add and replace", () => {
    const configured = { "service.name": "flows", "deployment.environment.name": "test" };
    const resource = findResource({ version: "0", configured });
    expect(resource.get("service.name")).toBe("flows");
    expect(resource.get("deployment.environment.name")).toBe("test");
  });
});

describe("openResource", () => {
  test("learns what is told later, forgets what is known no more, and keeps what is configured", () => {
    const configured = { "k8s.cluster.uid": "mine" };
    const { attributes, learn } = openResource({ version: "0", configured });
    learn({ "k8s.node.name": "node-a", "k8s.node.uid": "", "k8s.pod.name": undefined });
    expect(attributes.get("k8s.node.name")).toBe("node-a");
    expect(attributes.has("k8s.node.uid") || attributes.has("k8s.pod.name")).toBe(false);
    learn({ "k8s.node.uid": "first", "k8s.cluster.uid": "theirs" });
    learn({ "k8s.node.uid": "second" });
    expect(attributes.get("k8s.node.uid")).toBe("second");
    learn({ "k8s.node.uid": undefined, "k8s.cluster.uid": undefined });
    expect(attributes.has("k8s.node.uid")).toBe(false);
    expect(attributes.get("k8s.cluster.uid")).toBe("mine");
  });
});
