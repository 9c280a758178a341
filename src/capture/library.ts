// The shim as TypeScript sees it: symbol table of libmerminbpf and its loading from inside the binary.
// The only file that touches bun:ffi. Never interprets what crosses: probe.ts does.

import { dlopen } from "bun:ffi";
import { closeSync, readFileSync, writeSync } from "node:fs";
import shimPath from "../../build/libmerminbpf.so" with { type: "file" };

/** Every function of libmerminbpf/merminbpf.h; a test compares it with the header and the export map. */
export const SYMBOLS = {
  merminbpf_schema_version: { args: [], returns: "u32" },
  merminbpf_object_open: { args: ["ptr", "u32"], returns: "ptr" },
  merminbpf_knob_set: { args: ["ptr", "ptr", "u32", "u32"], returns: "i32" },
  merminbpf_knob_write: { args: ["ptr", "ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_map_size_set: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_object_load: { args: ["ptr"], returns: "i32" },
  merminbpf_pins_use: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_pins_prune: { args: ["ptr"], returns: "i32" },
  merminbpf_pins_remove: { args: ["ptr"], returns: "i32" },
  merminbpf_scan_generation: { args: ["ptr"], returns: "u32" },
  merminbpf_exported_write: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_kept_next: { args: ["ptr", "u32", "ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_program_verified_instructions: { args: ["ptr", "ptr"], returns: "i32" },
  merminbpf_program_run_statistics: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  merminbpf_run_statistics_enable: { args: ["ptr"], returns: "i32" },
  merminbpf_object_close: { args: ["ptr"], returns: "void" },
  merminbpf_error: { args: ["ptr"], returns: "cstring" },
  merminbpf_hook_attach: { args: ["ptr", "u32", "u32", "u32", "u32", "u32"], returns: "i32" },
  merminbpf_hook_detach: { args: ["ptr", "u32", "u32"], returns: "i32" },
  merminbpf_hook_programs: { args: ["ptr", "u32", "u32", "ptr", "u32"], returns: "i32" },
  merminbpf_counting_stop: { args: ["ptr"], returns: "i32" },
  merminbpf_program_id: { args: ["ptr", "u32"], returns: "i32" },
  merminbpf_lock_acquire: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  merminbpf_task_add: { args: ["ptr", "ptr"], returns: "i32" },
  merminbpf_task_next: { args: ["ptr", "ptr"], returns: "i32" },
  merminbpf_ring_drain: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_ring_pending: { args: ["ptr"], returns: "u32" },
  merminbpf_scan_begin: { args: ["ptr", "u32"], returns: "i32" },
  merminbpf_scan_next: { args: ["ptr", "ptr", "ptr", "ptr", "u32", "u32"], returns: "i32" },
  merminbpf_flows_take: { args: ["ptr", "ptr", "u32", "ptr", "ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_flow_find: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  merminbpf_details_find: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  merminbpf_pressure_set: { args: ["ptr", "u32"], returns: "i32" },
  merminbpf_entries_used: { args: ["ptr"], returns: "u32" },
  merminbpf_filter_prefix_add: { args: ["ptr", "ptr", "u32", "u32"], returns: "i32" },
  merminbpf_filter_rules_set: { args: ["ptr", "ptr"], returns: "i32" },
  merminbpf_account_resume: { args: ["ptr", "ptr"], returns: "i32" },
  merminbpf_counters_set_off: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_shown_read: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_shown_write: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_counters_read: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_clock_read: { args: ["ptr"], returns: "i32" },
  merminbpf_namespace_watch: { args: ["ptr"], returns: "i32" },
  merminbpf_namespace_read: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_links_list: { args: ["ptr", "u32"], returns: "i32" },
  merminbpf_links_listed: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_links_changed: { args: ["ptr", "ptr"], returns: "i32" },
  merminbpf_listeners_list: { args: ["i32", "ptr", "u32", "ptr"], returns: "i32" },
  merminbpf_addresses_list: { args: ["i32", "ptr", "u32"], returns: "i32" },
  merminbpf_namespace_id: { args: ["i32"], returns: "i32" },
  merminbpf_addresses_changed: { args: ["ptr"], returns: "i32" },
  merminbpf_conntrack_close: { args: ["ptr"], returns: "void" },
  merminbpf_conntrack_open: { args: ["ptr", "u32"], returns: "i32" },
  merminbpf_conntrack_read: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_conntrack_overrun: { args: ["ptr"], returns: "i32" },
  merminbpf_conntrack_list: { args: ["ptr"], returns: "i32" },
  merminbpf_conntrack_listed: { args: ["ptr", "ptr", "u32"], returns: "i32" },
  merminbpf_interface_add: { args: ["ptr", "u32", "u32"], returns: "i32" },
  merminbpf_interface_relate: { args: ["ptr", "u32", "ptr", "u32"], returns: "i32" },
  merminbpf_interface_remove: { args: ["ptr", "u32"], returns: "i32" },
  merminbpf_interface_read: { args: ["ptr", "u32", "ptr"], returns: "i32" },
  merminbpf_programs_list: { args: ["ptr", "u32"], returns: "i32" },
  merminbpf_map_name: { args: ["u32", "ptr", "u32"], returns: "i32" },
  merminbpf_links_of: { args: ["ptr", "u32", "ptr", "u32"], returns: "i32" },
  merminbpf_link_pinned: { args: ["ptr"], returns: "i32" },
  merminbpf_link_remove: { args: ["u32"], returns: "i32" },
  merminbpf_filters_of: { args: ["u32", "ptr", "u32"], returns: "i32" },
  merminbpf_filters_remove: { args: ["u32"], returns: "i32" },
  merminbpf_test_run: { args: ["ptr", "ptr", "u32", "ptr"], returns: "i32" },
} as const;

/** The functions of the shim. Pointers are numbers; buffers are passed as typed arrays over their own ArrayBuffer. */
export type Library = ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];

/** A handle of the shim (`struct merminbpf *`). */
export type LibraryHandle = NonNullable<ReturnType<Library["merminbpf_object_open"]>>;

const MFD_CLOEXEC = 1;

let loaded: Library | undefined;

/**
 * Loads the shim that is embedded in the binary, once a thread. It goes through a memfd, because the dynamic
 * loader wants a file and the agent may have none it can write to (read-only root, no /tmp).
 * @throws Error where the C library lacks memfd_create or the shim cannot be linked (glibc older than 2.34).
 */
export function loadLibrary(): Library {
  loaded ??= dlopen(memfdPath(readFileSync(shimPath)), SYMBOLS).symbols;
  return loaded;
}

function memfdPath(content: Buffer): string {
  const libc = dlopen("libc.so.6", { memfd_create: { args: ["ptr", "u32"], returns: "i32" } });
  const fd = libc.symbols.memfd_create(nulTerminated("libmerminbpf.so"), MFD_CLOEXEC);
  if (fd < 0) throw new Error("Cannot load the BPF library: the kernel refused a memfd");
  writeSync(fd, content);
  const path = `/proc/self/fd/${fd}`;
  // The mapping outlives the descriptor: it is closed once the loader has read the file.
  queueMicrotask(() => closeSync(fd));
  return path;
}

/** `text` as C wants it: UTF-8 with a NUL behind. */
export function nulTerminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
