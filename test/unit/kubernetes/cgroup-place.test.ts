import { describe, expect, test } from "bun:test";
import { type CgroupPlace, placeBelow, ROOT_PLACE } from "../../../src/kubernetes/cgroup-place.ts";

const UID = "0f3c2a9e-5b7d-4c11-9a42-7d1e6f80b3c5";
const SLICED = UID.replaceAll("-", "_");
const HASH = "3f2a9c0d4e5b6a7788990011aabbccdd";
const ID = "9".repeat(63).concat("a");
const OTHER_ID = "b".repeat(64);

const ROOT = 0;
const SOMEBODY = 1000;

/** Where a path leads, of which the folders of `strangers` belong to somebody else than root. */
function placeOf(path: string, strangers: readonly string[] = []): CgroupPlace {
  return path
    .split("/")
    .filter(Boolean)
    .reduce<CgroupPlace>(
      (place, name) => placeBelow(place, name, strangers.includes(name) ? SOMEBODY : ROOT),
      ROOT_PLACE,
    );
}

const inPod = (containerId: string, uid = UID): CgroupPlace => ({ kind: "pod", uid, containerId });

describe("placeBelow finds pod and container", () => {
  test.each([
    [
      "systemd, containerd",
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SLICED}.slice/cri-containerd-${ID}.scope`,
    ],
    [
      "systemd, CRI-O",
      `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${SLICED}.slice/crio-${ID}.scope`,
    ],
    ["systemd, Docker, guaranteed", `/kubepods.slice/kubepods-pod${SLICED}.slice/docker-${ID}.scope`],
    [
      "systemd below a root of the kubelet's own",
      `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${SLICED}.slice/cri-containerd-${ID}.scope`,
    ],
    ["cgroupfs", `/kubepods/burstable/pod${UID}/${ID}`],
    ["cgroupfs, guaranteed", `/kubepods/pod${UID}/${ID}`],
    ["cgroupfs, CRI-O", `/kubepods/besteffort/pod${UID}/crio-${ID}`],
    ["cgroupfs below a root of the kubelet's own", `/kubelet/kubepods/besteffort/pod${UID}/${ID}`],
    [
      "a kubelet with systemd, a runtime with cgroupfs",
      `/kubepods-burstable-pod${SLICED}.slice:cri-containerd:${ID}`,
    ],
    [
      "the same in the runtime's service",
      `/system.slice/containerd.service/kubepods-besteffort-pod${SLICED}.slice:cri-containerd:${ID}`,
    ],
    ["a cgroup that the container made", `/kubepods/burstable/pod${UID}/${ID}/init.scope/workers`],
    [
      "a cgroup of the runtime's in the container's",
      `/kubepods.slice/kubepods-pod${SLICED}.slice/crio-${ID}.scope/container`,
    ],
  ])("%s", (_, path) => {
    expect(placeOf(path)).toEqual(inPod(ID));
  });

  test("of a static pod by its hash", () => {
    expect(placeOf(`/kubepods/burstable/pod${HASH}/${ID}`)).toEqual(inPod(ID, HASH));
    expect(
      placeOf(
        `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${HASH}.slice/crio-${ID}.scope`,
      ),
    ).toEqual(inPod(ID, HASH));
  });

  test("the pod alone where no container is told", () => {
    expect(placeOf(`/kubepods/burstable/pod${UID}`)).toEqual(inPod(""));
    expect(placeOf(`/kubepods.slice/kubepods-pod${SLICED}.slice/crio-conmon-${ID}.scope`)).toEqual(inPod(""));
    expect(placeOf(`/kubepods/pod${UID}/${ID.slice(1)}`)).toEqual(inPod(""));
  });
});

describe("placeBelow believes no name", () => {
  test("that a container gives the cgroups in its own", () => {
    const own = `/kubepods/burstable/pod${UID}/${ID}`;
    for (const inside of [OTHER_ID, `kubepods/pod${HASH}/${OTHER_ID}`, `pod${HASH}`])
      expect(placeOf(`${own}/${inside}`)).toEqual(inPod(ID));
  });

  test("in a folder that belongs to a user", () => {
    const path = `/user.slice/user@1000.service/kubepods/pod${UID}/${ID}`;
    expect(placeOf(path, ["user@1000.service", "kubepods", `pod${UID}`, ID])).toEqual({ kind: "foreign" });
    expect(placeOf(`/kubepods/pod${UID}/${ID}`, [`pod${UID}`])).toEqual({ kind: "forged" });
    // A container that may divide its cgroup owns it.
    expect(placeOf(`/kubepods/pod${UID}/${ID}/x`, [ID, "x"])).toEqual(inPod(ID));
  });

  test.each([
    [`/system.slice/pod${UID}/${ID}`, "host"],
    [`/system.slice/docker-${ID}.scope`, "host"],
    [`/notkubepods/pod${UID}`, "host"],
    [`/kubepods.slice.d/pod${UID}`, "host"],
    [`/kubepods/pod${UID.toUpperCase()}/${ID}`, "pods"],
    [`/kubepods/pod${UID}x/${ID}`, "pods"],
    [`/kubepods/pod../${ID}`, "pods"],
    [`/kubepods/pod/${ID}`, "pods"],
    ["/kubepods/burstable", "pods"],
    ["/", "root"],
  ])("of another form: %s", (path, kind) => {
    expect<string>(placeOf(path).kind).toBe(kind);
  });
});
