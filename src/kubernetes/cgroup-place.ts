// Whose a cgroup is, by the names on the way to it: those that the kubelet gives the cgroups of pods, and the runtimes
// those of containers. A folder that belongs to somebody else than root may have any name.

/** What is known of one cgroup. */
export type CgroupPlace =
  /** The first of all: also of what is placed by cgroup v1 alone, and of what the kernel does for anybody. */
  | { readonly kind: "root" }
  /** Of the node itself. */
  | { readonly kind: "host" }
  /** Pods are in it: also one by whose name it is not known. */
  | { readonly kind: "pods" }
  /** A user's on the node, whose names say nothing. */
  | { readonly kind: "foreign" }
  /** In it are pods, but it is not root's: names say nothing. */
  | { readonly kind: "forged" }
  /** `uid` as the kubelet knows the pod; `containerId` "" for what is in the pod and in no container. */
  | { readonly kind: "pod"; readonly uid: string; readonly containerId: string };

/** Of the root of a hierarchy. */
export const ROOT_PLACE: CgroupPlace = { kind: "root" };

const HOST: CgroupPlace = { kind: "host" };
const FOREIGN: CgroupPlace = { kind: "foreign" };
const FORGED: CgroupPlace = { kind: "forged" };
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
    case "forged":
      return parent;
    case "pod":
      return placeInPod(parent, name);
    case "pods":
      return ownerUid === 0 ? (placePod(POD_NAME.exec(name)) ?? parent) : FORGED;
    case "root":
    case "host":
      if (ownerUid !== 0) return FOREIGN;
      return PODS_NAME.test(name) ? PODS : (placePod(MIXED_NAME.exec(name)) ?? HOST);
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
