// Cgroups by id in a folder tree of the same form: what is in a real one is test/kubernetes/host-sockets.test.ts.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SocketHolders } from "../../../src/kubernetes/socket-holders.ts";
import { createLogger } from "../../../src/lib/log.ts";

const UID = "0f3c2a9e-5b7d-4c11-9a42-7d1e6f80b3c5";
const ID = "c".repeat(64);

let root: string;
let lines: string[];
let holders: SocketHolders;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mermin-cgroups-"));
  writeFileSync(join(root, "cgroup.controllers"), "");
  lines = [];
  const log = createLogger({ level: "info", format: "text", write: (line) => lines.push(line) });
  holders = new SocketHolders({ root, log });
});

afterEach(() => rmSync(root, { recursive: true }));

/** Makes a folder. @returns its id */
function make(path: string, below = root): bigint {
  mkdirSync(join(below, path), { recursive: true });
  return statSync(join(below, path), { bigint: true }).ino;
}

async function locate(...ids: readonly bigint[]): Promise<readonly unknown[]> {
  const found = await holders.locate(new Set(ids));
  return ids.map((id) => found.get(id));
}

describe("SocketHolders", () => {
  test("tells pods from the node, and cgroups of those in containers", async () => {
    const container = make(`kubelet/kubepods/burstable/pod${UID}/${ID}`);
    const nested = make(`kubelet/kubepods/burstable/pod${UID}/${ID}/a/b`);
    const service = make("system.slice/sshd.service");
    const top = statSync(root, { bigint: true }).ino;
    const pod = { kind: "pod", uid: UID, containerId: ID };
    expect(await locate(service)).toEqual([{ kind: "host" }]);
    expect(await locate(container, nested, service, top)).toEqual([
      ...[pod, pod],
      // What the kernel or cgroup v1 leaves at the top may be anybody's.
      ...[{ kind: "host" }, { kind: "unsure" }],
    ]);
    expect(lines).toEqual([]);
  });

  test("is unsure of what is not there, of what is no id, and of all where there are no pods", async () => {
    const service = make("system.slice/sshd.service");
    const gone = make("gone");
    rmSync(join(root, "gone"), { recursive: true });
    const unsure = { kind: "unsure" };
    expect(await locate(service, gone, 0n)).toEqual([unsure, unsure, unsure]);
    expect(lines.join()).toMatch(/no pods at .*kubernetes\.cgroup_root/);
    // Of a kubelet whose runtime places containers in cgroup v1.
    const pod = make(`kubepods/pod${UID}`);
    expect(await locate(service, pod)).toEqual([unsure, { kind: "pod", uid: UID, containerId: "" }]);
    make(`kubepods/pod${UID}/${ID}`);
    expect(await locate(service, pod, make("new"), gone)).toEqual([
      { kind: "host" },
      { kind: "pod", uid: UID, containerId: "" },
      { kind: "host" },
      unsure,
    ]);
    expect(lines).toHaveLength(1);
  });

  test("is unsure of what is among pods under a name that is no pod's", async () => {
    const named = make("kubepods/podmy-static-pod/main");
    const forged = make(`kubepods/forged/pod${UID}`);
    make(`kubepods/pod${UID}/${ID}`);
    chownSync(join(root, "kubepods", "forged"), 1000, 1000);
    expect(await locate(named, forged)).toEqual([{ kind: "unsure" }, { kind: "unsure" }]);
  });

  test("believes nothing in a folder that belongs to somebody else than root", async () => {
    make(`kubepods/pod${UID}/${ID}`);
    const forged = make(`user/kubepods/pod${UID}/${ID}`);
    chownSync(join(root, "user"), 1000, 1000);
    expect(await locate(forged)).toEqual([{ kind: "host" }]);
  });

  test("looks in the folder for cgroup v2 beside those of v1, and says once where there is none", async () => {
    rmSync(join(root, "cgroup.controllers"));
    expect(await locate(1n)).toEqual([undefined]);
    expect(await locate(2n)).toEqual([undefined]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/no cgroup v2 at/);
    const container = make(`unified/kubepods/pod${UID}/${ID}`);
    writeFileSync(join(root, "unified", "cgroup.controllers"), "");
    expect(await locate(container)).toEqual([{ kind: "pod", uid: UID, containerId: ID }]);
  });

  test("knows nobody any more once a cgroup is gone, or another has its folder", async () => {
    const path = `kubepods/pod${UID}/${ID}`;
    const container = make(path);
    const pod = { kind: "pod", uid: UID, containerId: ID };
    expect(await locate(container)).toEqual([pod]);
    expect(holders.haveGone).toBe(false);
    renameSync(join(root, path), join(root, "elsewhere"));
    expect(make(path)).not.toBe(container);
    expect(holders.haveGone).toBe(true);
    rmSync(join(root, "elsewhere"), { recursive: true });
    expect(await locate(container)).toEqual([{ kind: "unsure" }]);
    expect(holders.haveGone).toBe(false);
  });
});
