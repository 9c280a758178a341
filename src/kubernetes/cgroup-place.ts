// Whose a cgroup is, by the names on the way to it: those that the kubelet gives the cgroups of pods, and the runtimes
// those of containers. A folder that belongs to somebody else than root may have any name.

/** What is known of one cgroup. */
export type CgroupPlace =
  /** Of the node itself. */
  | { readonly kind: "host" }
  /** Pods are in it; what is in none of those is of the node. */
  | { readonly kind: "pods" }
  /** Handed over to a user, whose names say nothing. */
  | { readonly kind: "foreign" }
  /** `uid` as the kubelet knows the pod; `containerId` "" for what is in the pod and in no container. */
  | { readonly kind: "pod"; readonly uid: string; readonly containerId: string };

/** Of the root of a hierarchy. */
export const ROOT_PLACE: CgroupPlace = { kind: "host" };

const FOREIGN: CgroupPlace = { kind: "foreign" };
const PODS: CgroupPlace = { kind: "pods" };

/** Drivers: `kubepods` by cgroupfs, `kubepods.slice` by systemd, `kubelet-kubepods.slice` below a root of its own. */
const PODS_NAME = /^(?:[\w-]+-)?kubepods(?:\.slice)?$/;
/** A UUID, by systemd with `_` for `-`; of a static pod a hash. */
const UID = "([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})";
const POD_NAME = new RegExp(`^(?:[\\w-]+-)?pod${UID}(?:\\.slice)?$`);
const CONTAINER_NAME = /^(?:cri-containerd-|crio-|docker-)?([0-9a-f]{64})(?:\.scope)?$/;
/** Where the kubelet's driver is systemd and the runtime's cgroupfs. */
const MIXED_NAME = new RegExp(
  `^(?:[\\w-]+-)?kubepods-(?:[\\w-]+-)?pod${UID}\\.slice:[\\w-]+:([0-9a-f]{64})$`,
);

/** The cgroup `name` in one of which `parent` is known. Processes of a container divide themselves as they like. */
export function placeBelow(parent: CgroupPlace, name: string, ownerUid: number): CgroupPlace {
  switch (parent.kind) {
    case "foreign":
      return parent;
    case "pod":
      return placeInPod(parent, name);
    case "pods":
      return ownerUid === 0 ? (placePod(POD_NAME.exec(name)) ?? parent) : FOREIGN;
    case "host":
      if (ownerUid !== 0) return FOREIGN;
      return PODS_NAME.test(name) ? PODS : (placePod(MIXED_NAME.exec(name)) ?? parent);
    default:
      return parent satisfies never;
  }
}

function placePod(match: RegExpExecArray | null): CgroupPlace | undefined {
  const [, uid, containerId = ""] = match ?? [];
  return uid === undefined ? undefined : { kind: "pod", uid: uid.replaceAll("_", "-"), containerId };
}

function placeInPod(parent: Extract<CgroupPlace, { kind: "pod" }>, name: string): CgroupPlace {
  if (parent.containerId !== "") return parent;
  const [, containerId] = CONTAINER_NAME.exec(name) ?? [];
  return containerId === undefined ? parent : { ...parent, containerId };
}
