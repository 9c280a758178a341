// Network namespaces of a test, and the veth pairs between them. Names carry the process id, so that what a killed
// run left behind is found and removed by the next.

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { type ProcessOptions, runCommand, TestProcess } from "./namespace-process.ts";

const FOLDER = "/run/netns";
const PREFIX = "mermin-test";

let made = 0;

/** A network namespace with its loopback up, and the processes started in it. */
export class Namespace implements AsyncDisposable {
  readonly name: string;
  /** For files of the test; removed with the namespace. Not in /tmp: a test hides that. */
  readonly folder: string;
  readonly #processes: TestProcess[] = [];

  constructor(label: string) {
    removeForgotten();
    this.name = `${PREFIX}-${process.pid}-${++made}-${label}`;
    this.folder = folderOf(this.name);
    runCommand(["ip", "netns", "add", this.name]);
    mkdirSync(this.folder);
    this.ip("link", "set", "lo", "up");
  }

  /** Where the kernel shows it as a file. */
  get path(): string {
    return `${FOLDER}/${this.name}`;
  }

  /** `ip` on this namespace. */
  ip(...words: string[]): string {
    return runCommand(["ip", "-n", this.name, ...words]);
  }

  /** Runs a command here, with a /sys of its own. */
  run(...command: string[]): string {
    return runCommand(["ip", "netns", "exec", this.name, ...command]);
  }

  /** Starts a command here; it keeps the host's mounts, and ends with the namespace. */
  start(command: readonly string[], options: ProcessOptions = {}): TestProcess {
    const started = new TestProcess(["nsenter", `--net=${this.path}`, ...command], options);
    this.#processes.push(started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    removeNamespace(this.name);
    await Promise.all(this.#processes.map((each) => each[Symbol.asyncDispose]()));
  }
}

/** One end of a veth pair. */
export interface End {
  readonly namespace: Namespace;
  readonly device: string;
}

/**
 * Connects two namespaces, or a namespace with itself. Both ends are up and silent: no address of their own making.
 */
export function connect(first: End, second: End): void {
  first.namespace.ip(
    ...["link", "add", first.device, "type", "veth"],
    ...["peer", "name", second.device, "netns", second.namespace.name],
  );
  for (const { namespace, device } of [first, second]) {
    namespace.ip("link", "set", device, "addrgenmode", "none");
    namespace.ip("link", "set", device, "up");
  }
}

/** Makes a bridge, up and silent, with the given devices as ports. */
export function bridge(namespace: Namespace, name: string, ports: readonly string[]): void {
  namespace.ip("link", "add", name, "type", "bridge", "mcast_snooping", "0", "forward_delay", "0");
  namespace.ip("link", "set", name, "addrgenmode", "none");
  for (const port of ports) namespace.ip("link", "set", port, "master", name);
  namespace.ip("link", "set", name, "up");
}

function removeForgotten(): void {
  for (const name of listNamespaces()) {
    const [, owner] = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name) ?? [];
    if (owner !== undefined && !isAlive(Number(owner))) removeNamespace(name);
  }
}

/** Ends what runs in the namespace, children of its processes too, and removes it. */
function removeNamespace(name: string): void {
  const pids = runCommand(["ip", "netns", "pids", name]).split("\n").filter(Boolean);
  for (const pid of pids) killQuietly(Number(pid));
  runCommand(["ip", "netns", "del", name]);
  rmSync(folderOf(name), { recursive: true, force: true });
}

function folderOf(name: string): string {
  return `/dev/shm/${name}`;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}

function listNamespaces(): readonly string[] {
  try {
    return readdirSync(FOLDER);
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
