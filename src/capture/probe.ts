// The loaded BPF object: knobs and sizes before, maps and hooks after. Comes in: bytes of the object file. Goes out:
// calls with checked results. Never keeps a buffer of the caller; every buffer shared with C has its own ArrayBuffer
// and lives as long as the probe (the JIT moves small typed arrays).

import { readFileSync } from "node:fs";
import objectPath from "../../build/mermin.bpf.o" with { type: "file" };
import { installFilter, type KernelFilter } from "./kernel-filter.ts";
import { type Library, type LibraryHandle, loadLibrary, nulTerminated } from "./library.ts";
import { PARSER_DEFAULTS, type ParserConfig } from "./parser-config.ts";
import { SCHEMA_VERSION } from "./record.ts";
import { ShimError } from "./shim-error.ts";
import { encodeUdpTunnels } from "./udp-tunnels.ts";

/** Side of an interface. */
export type Side = "ingress" | "egress";

/** How a hook is attached. */
export type AttachMode = "tcx" | "clsact";

export interface ProbeOptions {
  /** Entries of FLOW_STATS. */
  readonly tableCapacity: number;
  /** Size of FLOW_EVENTS: a power of two, a multiple of the page size. */
  readonly ringBufferBytes: number;
  /** Times and lengths come with the packets (mermin replay). */
  readonly isReplay: boolean;
  /** UDP ports of tunnels; default: {@link PARSER_DEFAULTS}. */
  readonly parser?: ParserConfig;
  /** One flow in so many is counted; default 1, every flow. */
  readonly sampling?: number;
  /** What of a packet is in the key beside its 5-tuple; default: nothing. */
  readonly keyIncludes?: readonly ("vlan" | "tunnel_id")[];
  /** Flows left out by the program; default: none. */
  readonly filter?: KernelFilter | undefined;
  /** Programs pass packets over unseen once no scan was begun for so long; default 0, never. */
  readonly orphanAfterMs?: number;
  /** Object file to load instead of the embedded one (tests and benchmarks). */
  readonly object?: Uint8Array;
}

/** Where and how to attach. */
export interface AttachOptions {
  readonly mode: "auto" | AttachMode;
  readonly order: "first" | "last";
  readonly tcPriority: number;
}

const MODES = { auto: 0, tcx: 1, clsact: 2 } as const;
const ORDERS = { first: 0, last: 1 } as const;
const SIDES = { ingress: 0, egress: 1 } as const;
const HOOK_PROGRAMS_MAX = 64;
/** Entries of FLOW_DETAILS for each of FLOW_STATS. */
const DETAILS_SHARE = 1.25;

/** New entries hold 0: with it the programs would not see that a direction's first packet is its first. */
const FIRST_GENERATION = 1;

/** A BPF object in the kernel. Not shared between threads. */
export class Probe implements Disposable {
  readonly library: Library;
  readonly #handle: LibraryHandle;
  #isClosed = false;

  constructor(library: Library, handle: LibraryHandle) {
    this.library = library;
    this.#handle = handle;
  }

  /** For the parts that call the shim on their own hot path. @throws Error once the probe is closed. */
  get handle(): LibraryHandle {
    if (this.#isClosed) throw new Error("The BPF probe is closed");
    return this.#handle;
  }

  /** @throws ShimError with `action` and the shim's text where `result` is a negative errno; else returns it. */
  check(result: number, action: string): number {
    if (result < 0) throw new ShimError(action, result, this.errorText());
    return result;
  }

  /** The shim's text of the last failure. */
  errorText(): string {
    return String(this.library.merminbpf_error(this.handle));
  }

  /**
   * Attaches one side of an interface.
   * @throws ShimError: no privilege, no such interface, or the kernel has neither TCX nor clsact.
   */
  attach(ifindex: number, side: Side, options: AttachOptions): AttachMode {
    const { mode, order, tcPriority } = options;
    const result = this.library.merminbpf_hook_attach(
      this.handle,
      ifindex,
      SIDES[side],
      MODES[mode],
      ORDERS[order],
      tcPriority,
    );
    return this.check(result, `Cannot attach to ${side} of interface ${ifindex}`) === MODES.tcx
      ? "tcx"
      : "clsact";
  }

  /** Detaches one side; an interface that is gone is no error. */
  detach(ifindex: number, side: Side): void {
    const result = this.library.merminbpf_hook_detach(this.handle, ifindex, SIDES[side]);
    this.check(result, `Cannot detach from ${side} of interface ${ifindex}`);
  }

  /** Stops the programs at one moment, for good: none counts when this returns, 10 to 50 ms later. */
  stopCounting(): void {
    this.check(this.library.merminbpf_counting_stop(this.handle), "Cannot stop counting");
  }

  /** Ids of the programs that run at a hook, in order, ours among them. */
  programsAt(ifindex: number, side: Side): readonly number[] {
    const ids = new Uint32Array(new ArrayBuffer(HOOK_PROGRAMS_MAX * 4));
    const count = this.library.merminbpf_hook_programs(
      this.handle,
      ifindex,
      SIDES[side],
      ids,
      HOOK_PROGRAMS_MAX,
    );
    return [...ids.subarray(0, this.check(count, `Cannot list the programs of interface ${ifindex}`))];
  }

  /** The kernel's id of our program. */
  programId(side: Side): number {
    return this.check(
      this.library.merminbpf_program_id(this.handle, SIDES[side]),
      "Cannot read the program's id",
    );
  }

  /** Instructions the verifier went through for our program. */
  verifiedInstructions(side: Side): number {
    const name = nulTerminated(`mermin_${side}`);
    const count = this.library.merminbpf_program_verified_instructions(this.handle, name);
    return this.check(count, "Cannot read the verifier's figures");
  }

  /**
   * Takes the host's lock. False: another agent holds it. `label` says to that one who holds it now.
   * @throws ShimError where the directory cannot be made or opened.
   */
  tryLock(path: string, label: string = ""): boolean {
    const result = this.library.merminbpf_lock_acquire(
      this.handle,
      nulTerminated(path),
      nulTerminated(label),
    );
    if (result === -11) return false;
    this.check(result, `Cannot lock ${path}`);
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.library.merminbpf_object_close(this.#handle);
  }
}

/** Opens the BPF object and loads nothing: for the host's lock alone. @throws Error where the object cannot be read. */
export function openLockHandle(): Probe {
  return openObject(new Uint8Array(readFileSync(objectPath)));
}

function openObject(object: Uint8Array): Probe {
  const library = loadLibrary();
  const handle = library.merminbpf_object_open(object, object.byteLength);
  if (handle === null) throw new Error(`Cannot read the BPF object: ${library.merminbpf_error(null)}`);
  return new Probe(library, handle);
}

/** {@link prepareProbe} and {@link loadProbe}. */
export function openProbe(options: ProbeOptions): Probe {
  const probe = prepareProbe(options);
  try {
    loadProbe(probe, options);
    return probe;
  } catch (error) {
    probe[Symbol.dispose]();
    throw error;
  }
}

/**
 * Opens and sizes the BPF object; the kernel knows nothing of it yet.
 * @throws ShimError where the object is of another agent
 */
export function prepareProbe(options: ProbeOptions): Probe {
  const library = loadLibrary();
  if (library.merminbpf_schema_version() !== SCHEMA_VERSION) {
    throw new Error("The BPF library and the agent are of different versions; build both anew");
  }
  const probe = openObject(options.object ?? new Uint8Array(readFileSync(objectPath)));
  try {
    configure(probe, options);
    return probe;
  } catch (error) {
    probe[Symbol.dispose]();
    throw error;
  }
}

/**
 * Loads a prepared object. Nothing is attached.
 * @throws ShimError: no privilege, no BPF, or the verifier's refusal with its last lines.
 */
export function loadProbe(probe: Probe, { filter }: Pick<ProbeOptions, "filter">): void {
  const { library, handle } = probe;
  probe.check(library.merminbpf_object_load(handle), "Cannot load the BPF programs");
  if (filter !== undefined) installFilter(probe, filter);
  // Where maps of an earlier agent are used, its generations go on.
  const generation = library.merminbpf_scan_generation(handle) || FIRST_GENERATION;
  probe.check(library.merminbpf_scan_begin(handle, generation), "Cannot set the first scan generation");
}

function configure(probe: Probe, options: ProbeOptions): void {
  if (options.object !== undefined) return;
  const { isReplay, parser = PARSER_DEFAULTS, sampling = 1, keyIncludes = [], filter } = options;
  setKnob(probe, "replay", isReplay ? 1 : 0);
  setKnob(probe, "sampling", sampling);
  setKnob(probe, "orphan_after_ns", (options.orphanAfterMs ?? 0) * 1e6);
  setKnob(probe, "key_includes_vlan", keyIncludes.includes("vlan") ? 1 : 0);
  setKnob(probe, "key_includes_tunnel_id", keyIncludes.includes("tunnel_id") ? 1 : 0);
  setKnob(probe, "filters", filter === undefined ? 0 : 1);
  const { ports, tunnels } = encodeUdpTunnels(parser);
  writeKnob(probe, "udp_tunnel_ports", ports);
  writeKnob(probe, "udp_tunnels", tunnels);
  setSize(probe, "FLOW_STATS", options.tableCapacity);
  // More than flows: an entry goes a moment after its flow.
  setSize(probe, "FLOW_DETAILS", Math.ceil(options.tableCapacity * DETAILS_SHARE));
  setSize(probe, "FLOW_EXPORTED", options.tableCapacity);
  setSize(probe, "FLOW_TAKEN", options.tableCapacity);
  setSize(probe, "FLOW_EVENTS", options.ringBufferBytes);
}

function setKnob(probe: Probe, name: string, value: number): void {
  const result = probe.library.merminbpf_knob_set(
    probe.handle,
    nulTerminated(name),
    value,
    Math.floor(value / 2 ** 32),
  );
  probe.check(result, `Cannot set the knob "${name}"`);
}

function writeKnob(probe: Probe, name: string, bytes: Uint8Array): void {
  const { library, handle } = probe;
  const result = library.merminbpf_knob_write(handle, nulTerminated(name), bytes, bytes.byteLength);
  probe.check(result, `Cannot set the knob "${name}"`);
}

function setSize(probe: Probe, map: string, size: number): void {
  const result = probe.library.merminbpf_map_size_set(probe.handle, nulTerminated(map), size);
  probe.check(result, `Cannot size the map ${map}`);
}
