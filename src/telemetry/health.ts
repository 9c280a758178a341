// Is the agent alive, ready, started: each answer is a list of checks with their reasons.

import { formatDuration, type Milliseconds, toMilliseconds } from "../lib/time.ts";
import type { Snapshot } from "./snapshot.ts";

export interface HealthCheck {
  readonly name: string;
  /** degraded: it works, but less of it than the config wants. */
  readonly status: "ok" | "degraded" | "failed";
  readonly reason: string;
}

export interface Health {
  readonly status: "ok" | "failed";
  readonly checks: readonly HealthCheck[];
}

export type HealthQuestion = "livez" | "readyz" | "startup";

/**
 * Answers one question. livez: the capture loop has turned within `deadline`. startup: the programs are loaded and
 * the first scan is done. readyz: that, an interface attached, every exporter able to send, and the cluster listed where
 * one is watched; whether flows outlive the agent, and kinds it may not read, make it no less ready.
 */
export function judgeHealth(question: HealthQuestion, snapshot: Snapshot, deadline: Milliseconds): Health {
  const checks = CHECKS[question](snapshot, deadline);
  return { status: checks.some(({ status }) => status === "failed") ? "failed" : "ok", checks };
}

/** How long the capture loop may take for one turn: five of its periods, and never under 15 s. */
export function livenessDeadline(pollInterval: Milliseconds): Milliseconds {
  return toMilliseconds(Math.max(15_000, 5 * pollInterval));
}

const CHECKS: Readonly<
  Record<HealthQuestion, (snapshot: Snapshot, deadline: Milliseconds) => readonly HealthCheck[]>
> = {
  livez: (snapshot, deadline) => [checkLoop(snapshot, deadline)],
  startup: (snapshot) => [checkPrograms(snapshot)],
  readyz: (snapshot) => [
    checkPrograms(snapshot),
    checkInterfaces(snapshot),
    checkExporters(snapshot),
    checkPersistence(snapshot),
    checkCluster(snapshot),
  ],
};

function checkLoop({ reportAge }: Snapshot, deadline: Milliseconds): HealthCheck {
  const age = formatDuration(toMilliseconds(Math.round(reportAge)));
  const reason = `last turn ${age} ago, deadline ${formatDuration(deadline)}`;
  return check("capture_loop", reportAge <= deadline, reason);
}

function checkPrograms({ report }: Snapshot): HealthCheck {
  const isLoaded = report !== undefined;
  return check("programs", isLoaded, isLoaded ? `loaded, ${report.capture.scans} scans` : "not loaded yet");
}

function checkInterfaces({ report }: Snapshot): HealthCheck {
  const attached = report?.capture.interfaces.length ?? 0;
  const failed = report?.capture.failedInterfaces ?? 0;
  return check("interfaces", attached > 0, `${attached} attached, ${failed} failed`);
}

function checkExporters({ exporters }: Snapshot): HealthCheck {
  const failed = exporters.filter(({ failure }) => failure !== undefined);
  const names = exporters.map(({ name }) => name).join(", ");
  if (failed.length > 0) {
    return check("exporters", false, failed.map(({ name, failure }) => `${name}: ${failure}`).join("; "));
  }
  return check(
    "exporters",
    exporters.length > 0,
    exporters.length > 0 ? `${names} started` : "none started yet",
  );
}

function checkPersistence({ report }: Snapshot): HealthCheck {
  const { isWanted = false, failure } = report?.capture.persistence ?? {};
  if (failure !== undefined) return { name: "persistence", status: "degraded", reason: failure };
  return check("persistence", true, isWanted ? "flows outlive the agent" : "not configured");
}

/** What was listed once stays known when the API server fails later: that makes it no less ready. */
function checkCluster({ cluster }: Snapshot): HealthCheck {
  const name = "kubernetes";
  if (cluster === undefined) return check(name, true, "no cluster is watched");
  const { kinds } = cluster;
  const missing = kinds
    .filter(({ state }) => state === "listing" || state === "forbidden")
    .map(({ kind, state, failure }) => `${kind}: ${failure === "" ? state : failure}`);
  if (!cluster.isSynced) return check(name, false, `not synced: ${missing.join("; ")}`);
  if (missing.length > 0) return { name, status: "degraded", reason: `without ${missing.join("; ")}` };
  const failing = kinds.find(({ failure }) => failure !== "");
  if (failing === undefined) return check(name, true, `${kinds.length} kinds synced`);
  return { name, status: "degraded", reason: `last known state: ${failing.kind}: ${failing.failure}` };
}

function check(name: string, isOk: boolean, reason: string): HealthCheck {
  return { name, status: isOk ? "ok" : "failed", reason };
}
