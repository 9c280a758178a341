// The cgroup of a listening socket, as the kernel says it: that of the process that made it, whatever the process does then.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, openSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeListeners } from "../../src/capture/listener-record.ts";
import { openProbe, type Probe } from "../../src/capture/probe.ts";
import { SocketReader } from "../../src/capture/socket-reader.ts";
import { describeWithCgroups, TestCgroups } from "../support/cgroups.ts";
import { Namespace } from "../support/namespace.ts";
import type { ServedEnd } from "../support/namespace-errands.ts";
import type { TestProcess } from "../support/namespace-process.ts";

const SERVER = new URL("../support/namespace-errands.ts", import.meta.url).pathname;

function endsAt(port: number): readonly ServedEnd[] {
  return (["127.0.0.1", "::1"] as const).flatMap((address) =>
    (["tcp", "udp"] as const).map((protocol) => ({ protocol, address, port })),
  );
}

describeWithCgroups("a listening socket", () => {
  let probe: Probe;
  let cgroups: TestCgroups;
  let namespace: Namespace;

  beforeAll(() => {
    probe = openProbe({ tableCapacity: 1024, ringBufferBytes: 4096, isReplay: false });
    cgroups = new TestCgroups();
    namespace = new Namespace("servers");
  });
  afterAll(async () => {
    probe[Symbol.dispose]();
    await namespace[Symbol.asyncDispose]();
    await cgroups[Symbol.asyncDispose]();
  });

  async function serve(folder: string, port: number): Promise<TestProcess> {
    const words = [process.execPath, SERVER, "serve", JSON.stringify(endsAt(port))];
    const server = namespace.start([...cgroups.enter(folder), ...words]);
    await server.until(({ output }) => output.includes("ready"));
    return server;
  }

  function inodeOf(folder: string): bigint {
    return statSync(join(cgroups.root, folder), { bigint: true }).ino;
  }

  /** The cgroups of the sockets at a port: TCP and UDP, over IPv4 and IPv6. */
  function cgroupsAt(port: number): readonly bigint[] {
    const descriptor = openSync(namespace.path, "r");
    try {
      const { bytes } = new SocketReader(probe.library).listeners(descriptor);
      return decodeListeners(bytes.slice())
        .filter((socket) => socket.port === port)
        .map(({ cgroupId }) => cgroupId);
    } finally {
      closeSync(descriptor);
    }
  }

  test("has the cgroup of the process that made it, by its folder's inode number", async () => {
    await serve("pods/first", 8001);
    await serve("pods/second/workers", 8002);
    expect(cgroupsAt(8001)).toEqual(Array(4).fill(inodeOf("pods/first")));
    expect(cgroupsAt(8002)).toEqual(Array(4).fill(inodeOf("pods/second/workers")));
  });

  test("keeps it when the process goes into another one", async () => {
    const server = await serve("pods/third", 8003);
    const third = inodeOf("pods/third");
    writeFileSync(join(cgroups.root, "pods/first/cgroup.procs"), String(server.pid));
    expect(cgroupsAt(8003)).toEqual(Array(4).fill(third));
  });
});
