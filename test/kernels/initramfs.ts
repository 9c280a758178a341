// The guest's first file system: busybox, the tools and their libraries, and the kernel modules the
// scenarios need. Cached by the content that goes in.

import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { $ } from "bun";

/** What is loaded when the guest asks for it, each with everything it depends on. */
const MODULES = [
  ...["virtio_pci", "virtio_blk", "veth", "8021q", "bonding", "macvlan", "ipvlan", "bridge"],
  ...["ipip", "sit", "ip_gre", "ip6_tunnel", "ip6_gre", "vxlan", "geneve", "wireguard", "tun", "ifb"],
  ...["fou", "xfrm_user", "esp4", "ah4", "authenc", "ecb", "crypto_null"],
  ...[
    "sch_ingress",
    "cls_bpf",
    "cls_matchall",
    "cls_u32",
    "act_gact",
    "crc32c_generic",
    "tcp_diag",
    "udp_diag",
  ],
  ...["nf_tables", "nft_chain_nat", "nft_nat", "nft_masq", "nf_conntrack_netlink"],
];

const UNUSED_MS = 24 * 3_600_000;

const GUEST_SOURCES = join(import.meta.dir, "guest");
const TOOL_SOURCES = ["tool.c", "objects.c", "exchanges.c"];

/** What an initramfs is made of. */
export interface InitramfsParts {
  /** Folder of the cache for initramfs and tool. */
  readonly cache: string;
  /** Unpacked kernel package, and its release as `uname -r` says it. */
  readonly kernelTree: string;
  readonly release: string;
  /** Dynamically linked programs to put into /sbin, with their libraries. */
  readonly programs: readonly string[];
  /** A program whose libraries are needed although it comes on another disk. */
  readonly guestBinary: string;
}

async function hashSources(): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const name of [...TOOL_SOURCES, "tool.h", "init"])
    hasher.update(await Bun.file(join(GUEST_SOURCES, name)).bytes());
  hasher.update(await Bun.file(import.meta.path).bytes());
  return hasher.digest("hex").slice(0, 16);
}

/** The libraries and the loader that a program names. */
async function findLibraries(program: string): Promise<string[]> {
  const output = await $`ldd ${program}`.quiet().text();
  return [...output.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
}

function describeFile(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${path} ${size} ${mtimeMs}`;
}

async function compileTool(cache: string, sources: string): Promise<string> {
  const tool = join(cache, `tool-${sources}`);
  if (existsSync(tool)) return tool;
  const fresh = `${tool}.${process.pid}`;
  const paths = TOOL_SOURCES.map((name) => join(GUEST_SOURCES, name));
  await $`gcc -static -O2 -Wall -Wextra -Werror -o ${fresh} ${paths}`.quiet();
  await rename(fresh, tool);
  return tool;
}

async function copyModules(parts: InitramfsParts, root: string): Promise<void> {
  const { kernelTree, release } = parts;
  const index = join(kernelTree, "lib/modules", release, "modules.dep");
  if (!existsSync(index)) await $`depmod --basedir ${kernelTree} ${release}`.quiet();
  const folder = join(root, "lib/modules", release);
  await mkdir(folder, { recursive: true });
  const shown =
    await $`modprobe --dirname ${kernelTree} --set-version ${release} --show-depends --all ${MODULES}`
      .quiet()
      .nothrow();
  const paths = new Set(
    [...shown.stdout.toString().matchAll(/^insmod (\S+)/gm)].map((match) => match[1] ?? ""),
  );
  if (paths.size === 0) throw new Error(`no modules for ${release}: ${shown.stderr.toString()}`);
  await $`cp ${[...paths]} ${folder}`;
  await $`cp ${kernelTree}/lib/modules/${release}/modules.builtin ${folder}`;
  await $`find ${folder} -name "*.xz" -exec xz --decompress {} +`;
  await $`depmod --basedir ${root} ${release}`.quiet();
}

async function copyPrograms(
  root: string,
  programs: readonly string[],
  libraries: readonly string[],
): Promise<void> {
  for (const path of libraries) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await $`cp --dereference ${path} ${join(root, path)}`;
  }
  await $`cp --dereference ${programs} ${join(root, "sbin")}`;
}

/** The initramfs for a kernel: its path in the cache, made when it is not there. */
export async function buildInitramfs(parts: InitramfsParts): Promise<string> {
  const { cache, release, programs } = parts;
  await mkdir(cache, { recursive: true });
  const sources = await hashSources();
  const libraries = new Set((await Promise.all([...programs, parts.guestBinary].map(findLibraries))).flat());
  const inputs = [...programs, ...libraries, "/bin/busybox"].map(describeFile).toSorted().join("\n");
  const key = new Bun.CryptoHasher("sha256")
    .update(`${sources}\n${parts.kernelTree}\n${inputs}`)
    .digest("hex");
  const image = join(cache, `${release}-${key.slice(0, 16)}.cpio.gz`);
  if (existsSync(image)) {
    await utimes(image, new Date(), new Date());
    return image;
  }
  const work = await mkdtemp(join(cache, ".initramfs-"));
  try {
    const root = join(work, "root");
    await $`mkdir -p ${["bin", "sbin", "etc"].map((name) => join(root, name))}`;
    await $`cp /bin/busybox ${root}/bin/busybox`;
    await $`ln -s /bin/busybox ${root}/sbin/modprobe`;
    await $`install -m 0755 ${GUEST_SOURCES}/init ${root}/init`;
    await $`install -m 0755 ${await compileTool(cache, sources)} ${root}/sbin/tool`;
    await copyPrograms(root, programs, [...libraries]);
    await copyModules(parts, root);
    await $`find . | cpio --quiet --create --format=newc | gzip -1 > ${work}/image`.cwd(root);
    await rename(join(work, "image"), image);
    await removeUnused(cache);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return image;
}

/** Other sources have images of their own: those that no run has used for a day go. */
async function removeUnused(cache: string): Promise<void> {
  const names = await readdir(cache);
  for (const name of names.filter((each) => each.endsWith(".cpio.gz") || each.startsWith("tool-"))) {
    const path = join(cache, name);
    if (Date.now() - statSync(path).mtimeMs > UNUSED_MS) await rm(path, { force: true });
  }
}
