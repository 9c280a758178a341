// The OpenTelemetry resource: who sends the spans. Comes in: this host, the config. Goes out: attributes, in order.

import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";

/** Attributes of a resource by name; some become known while it is in use. */
export type ResourceAttributes = ReadonlyMap<string, string | readonly string[]>;

/** What the resource says that this host does not know. */
export interface ResourceOptions {
  /** Of the build. */
  readonly version: string;
  /** `export.resource_attributes`: added to, or in place of, those found. */
  readonly configured: Readonly<Record<string, string>>;
  /** Default `/etc/machine-id`. */
  readonly machineIdPath?: string;
}

/** Attributes that change: encoders read them anew for each request. */
export interface Resource {
  readonly attributes: ResourceAttributes;
  /** Takes what became known since, or is known no more ("", undefined); what is configured stays as it is. */
  readonly learn: (told: Readonly<Record<string, string | undefined>>) => void;
}

/** The resource of this host and agent. */
export function openResource(options: ResourceOptions): Resource {
  const { configured } = options;
  const attributes = new Map(findResource(options));
  return {
    attributes,
    learn: (told) => {
      for (const [name, value = ""] of Object.entries(told)) {
        if (Object.hasOwn(configured, name)) continue;
        if (value === "") attributes.delete(name);
        else attributes.set(name, value);
      }
    },
  };
}

/**
 * Finds the resource attributes of this host and agent (semantic conventions: service, telemetry, host, os).
 *
 * The spans are made and carried by our own code: `telemetry.sdk.*` name it, not `opentelemetry`, which the conventions
 * keep for the unmodified SDK.
 */
export function findResource(options: ResourceOptions): ResourceAttributes {
  const { version } = options;
  const attributes = new Map<string, string | readonly string[]>([
    ["service.name", "mermin"],
    ["service.version", version],
    ["telemetry.sdk.name", "mermin"],
    ["telemetry.sdk.language", "nodejs"],
    ["telemetry.sdk.version", version],
    ["telemetry.distro.name", "mermin"],
    ["telemetry.distro.version", version],
    ["host.name", hostname()],
  ]);
  const id = readMachineId(options.machineIdPath ?? "/etc/machine-id");
  if (id !== undefined) attributes.set("host.id", id);
  const addresses = findHostAddresses();
  if (addresses.length > 0) attributes.set("host.ip", addresses);
  attributes.set("os.type", "linux");
  for (const [name, value] of Object.entries(options.configured)) attributes.set(name, value);
  return attributes;
}

function readMachineId(path: string): string | undefined {
  try {
    const id = readFileSync(path, "utf8").trim();
    return id === "" ? undefined : id;
  } catch {
    // Images without systemd have none: then the attribute is absent.
    return undefined;
  }
}

/** Addresses of this host other than loopback and link-local ones, which name it nowhere else. */
function findHostAddresses(): readonly string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ address, internal }) => !internal && !isLinkLocal(address))
    .map(({ address }) => address);
  return [...new Set(addresses)];
}

/** 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291). */
function isLinkLocal(address: string): boolean {
  return address.startsWith("169.254.") || /^fe[89ab]/i.test(address);
}
