// A BPF map of this process by its name, through the system call itself: what the shim wrote, and what a program would
// write, without the shim.

import { dlopen, ptr } from "bun:ffi";
import { readdirSync, readlinkSync } from "node:fs";

const SYS_BPF = process.arch === "arm64" ? 280 : 321;
const COMMAND = { lookup: 1, update: 2, delete: 3, info: 15 } as const;
/** Of `struct bpf_map_info`, as far as it is read. */
const INFO = { valueSize: 12, maxEntries: 16, name: 24, bytes: 40 } as const;

let syscall: ((number: number, command: number, attributes: Uint8Array, size: number) => number) | undefined;

/** One map. Keys and values are the structures' bytes. */
export class KernelMap {
  readonly maxEntries: number;
  readonly #fd: number;
  readonly #valueBytes: number;

  private constructor(fd: number, info: DataView) {
    this.#fd = fd;
    this.#valueBytes = info.getUint32(INFO.valueSize, true);
    this.maxEntries = info.getUint32(INFO.maxEntries, true);
  }

  /** The only open map of that name; the kernel keeps its first 15 characters. @throws Error where there is none, or more than one */
  static named(name: string): KernelMap {
    const found = readdirSync("/proc/self/fd").flatMap((fd) => {
      const info = isMap(fd) ? readInfo(Number(fd)) : undefined;
      return info !== undefined && nameOf(info) === name.slice(0, 15)
        ? [new KernelMap(Number(fd), info)]
        : [];
    });
    const [map] = found;
    if (map === undefined || found.length > 1) throw new Error(`${found.length} open maps are named ${name}`);
    return map;
  }

  /** Undefined where the key has no entry. */
  lookup(key: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    const value = new Uint8Array(new ArrayBuffer(this.#valueBytes));
    return this.#call(COMMAND.lookup, key, value) < 0 ? undefined : value;
  }

  /** @throws Error where the kernel refuses it */
  update(key: Uint8Array, value: Uint8Array): void {
    if (value.byteLength !== this.#valueBytes) throw new Error(`A value has ${this.#valueBytes} bytes`);
    if (this.#call(COMMAND.update, key, value) < 0) throw new Error("The kernel refuses to update the map");
  }

  /** @throws Error where there is no such entry */
  delete(key: Uint8Array): void {
    if (this.#call(COMMAND.delete, key) < 0) throw new Error("The map has no such key");
  }

  #call(command: number, key: Uint8Array, value?: Uint8Array): number {
    // Copies over buffers of their own: small typed arrays move.
    const ownKey = new Uint8Array(new ArrayBuffer(key.byteLength));
    ownKey.set(key);
    const attributes = new DataView(new ArrayBuffer(32));
    attributes.setUint32(0, this.#fd, true);
    attributes.setBigUint64(8, BigInt(ptr(ownKey)), true);
    if (value !== undefined) attributes.setBigUint64(16, BigInt(ptr(value)), true);
    return call(command, attributes);
  }
}

function isMap(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:bpf-map";
  } catch {
    // The descriptor of the listing itself.
    return false;
  }
}

function readInfo(fd: number): DataView | undefined {
  const info = new DataView(new ArrayBuffer(INFO.bytes));
  const attributes = new DataView(new ArrayBuffer(16));
  attributes.setUint32(0, fd, true);
  attributes.setUint32(4, INFO.bytes, true);
  attributes.setBigUint64(8, BigInt(ptr(info.buffer)), true);
  return call(COMMAND.info, attributes) < 0 ? undefined : info;
}

function nameOf(info: DataView): string {
  const bytes = new Uint8Array(info.buffer, INFO.name);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function call(command: number, attributes: DataView): number {
  syscall ??= dlopen("libc.so.6", {
    syscall: { args: ["i64", "i32", "ptr", "u32"], returns: "i32" },
  }).symbols.syscall;
  return syscall(SYS_BPF, command, new Uint8Array(attributes.buffer), attributes.byteLength);
}
