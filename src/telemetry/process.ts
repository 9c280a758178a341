// Figures of the process itself, under the names that Prometheus' client libraries gave them.

import { readdirSync } from "node:fs";
import type { Metric } from "./metric.ts";

/** CPU, memory, descriptors, start; both threads together, but for the heap, which is this thread's. */
export const PROCESS_METRICS: readonly Metric[] = [
  ofProcess("counter", "process_cpu_seconds_total", "CPU time of user and system.", readCpuSeconds),
  ofProcess("gauge", "process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss()),
  ofProcess(
    "gauge",
    "process_heap_bytes",
    "JavaScript heap in use on the export thread.",
    () => process.memoryUsage().heapUsed,
  ),
  ofProcess("gauge", "process_open_fds", "Open file descriptors.", () => readdirSync("/proc/self/fd").length),
  ofProcess(
    "gauge",
    "process_start_time_seconds",
    "Start, in seconds since 1970.",
    () => performance.timeOrigin / 1000,
  ),
];

function ofProcess(type: Metric["type"], name: string, help: string, read: () => number): Metric {
  return { name, type, help, labels: [], samples: () => [{ labels: [], value: read() }] };
}

function readCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
