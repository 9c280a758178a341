// One listening socket, as the shim writes it: `struct merminbpf_listener`.

/** In bytes. */
export const LISTENER_BYTES = 32;

/** Offsets of its fields. */
export const LISTENER = {
  protocol: 0,
  ipVersion: 1,
  port: 2,
  address: 4,
  ifindex: 20,
  cgroupId: 24,
} as const;

/** One listening socket. */
export interface ListeningSocket {
  /** IANA number. */
  readonly protocol: number;
  /** 0: both. */
  readonly ipVersion: number;
  readonly port: number;
  /** Four words in memory order, IPv4 in ::ffff:0:0/96; zero: any. */
  readonly address: Uint32Array;
  /** The interface that it is bound to; 0: none. */
  readonly ifindex: number;
  /** Cgroup v2 of who made it; 0: the kernel does not say. */
  readonly cgroupId: bigint;
}

/** Writes the address of the socket at `at` into four words. */
export function readAddress(view: DataView, at: number, words: Uint32Array): void {
  for (let i = 0; i < 4; i++) words[i] = view.getUint32(at + LISTENER.address + 4 * i, true);
}

/** The sockets of a reading (`HostReading.listeners`). */
export function decodeListeners(bytes: Uint8Array): readonly ListeningSocket[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / LISTENER_BYTES) }, (_, i) => {
    const at = i * LISTENER_BYTES;
    const address = new Uint32Array(4);
    readAddress(view, at, address);
    return {
      protocol: view.getUint8(at + LISTENER.protocol),
      ipVersion: view.getUint8(at + LISTENER.ipVersion),
      port: view.getUint16(at + LISTENER.port, true),
      address,
      ifindex: view.getUint32(at + LISTENER.ifindex, true),
      cgroupId: view.getBigUint64(at + LISTENER.cgroupId, true),
    };
  });
}
