// Whose a socket is in the kernel's own cgroups, and that it may outlive them: the kernel keeps the socket of a tunnel that a
// process has set up, wherever that process goes.

import { expect, test } from "bun:test";
import { mkdirSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { decodeListeners, type ListeningSocket } from "../../src/capture/listener-record.ts";
import { Listeners } from "../../src/capture/listeners.ts";
import { SocketHolders } from "../../src/kubernetes/socket-holders.ts";
import { createLogger } from "../../src/lib/log.ts";
import { Bench } from "../bpf/bench.ts";
import { ThreadNamespace } from "../bpf/thread-namespace.ts";
import { describeWithCgroups, TestCgroups } from "../support/cgroups.ts";
import { runCommand } from "../support/namespace-process.ts";

const UID = "0f3c2a9e-5b7d-4c11-9a42-7d1e6f80b3c5";
const ID = "c".repeat(64);
const POD = `kubepods/burstable/pod${UID}`;
const TUNNEL_PORT = 8472;

/** After everything that is due. */
const LATER_MS = 3_600_000;

function findTunnel(bench: Bench): ListeningSocket | undefined {
  const log = createLogger({ level: "error", format: "text" });
  const listeners = new Listeners(bench.probe, log);
  for (let turn = 1; turn <= 3; turn++) listeners.turn(performance.now() + turn * LATER_MS);
  const reading = listeners.takeHostReading();
  return decodeListeners(reading?.listeners ?? new Uint8Array()).find(({ port }) => port === TUNNEL_PORT);
}

describeWithCgroups("SocketHolders in the kernel's cgroups", () => {
  test("knows nobody of a tunnel's socket once the pod that has set it up is gone", async () => {
    await using cgroups = new TestCgroups();
    using _home = new ThreadNamespace();
    using bench = new Bench();
    const words = ["link", "add", "tunnel", "type", "vxlan", "id", "5", "dstport", String(TUNNEL_PORT)];
    runCommand([...cgroups.enter(`${POD}/${ID}`), "ip", ...words]);
    runCommand([...cgroups.enter(`${POD}/${ID}`), "ip", "link", "set", "tunnel", "up"]);
    const log = createLogger({ level: "error", format: "text" });
    const holders = new SocketHolders({ root: cgroups.root, log });

    const made = findTunnel(bench)?.cgroupId ?? 0n;
    expect(made).toBe(statSync(join(cgroups.root, POD, ID), { bigint: true }).ino);
    const service = join(cgroups.root, "other.service");
    mkdirSync(service);
    const other = statSync(service, { bigint: true }).ino;
    expect([...(await holders.locate(new Set([made, other]))).values()]).toEqual([
      { kind: "pod", uid: UID, containerId: ID },
      { kind: "host" },
    ]);

    rmdirSync(join(cgroups.root, POD, ID));
    // Another has the name, as after a restart.
    mkdirSync(join(cgroups.root, POD, ID));
    expect(findTunnel(bench)?.cgroupId).toBe(made);
    expect(holders.haveGone).toBe(true);
    expect([...(await holders.locate(new Set([made, other]))).values()]).toEqual([
      { kind: "unsure" },
      { kind: "host" },
    ]);
  });
});
