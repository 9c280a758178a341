// GRE (RFC 2784, 2890) and ERSPAN (draft-foschiano-erspan) behind it.

import { ENCAPSULATION } from "../../src/capture/record.ts";
import { has, type Scope, uint8, uint16, uint32 } from "./reference-scope.ts";
import type { TunnelHeader } from "./reference-tunnel.ts";

const FLAG = { checksum: 0x8000, routing: 0x4000, key: 0x2000, sequence: 0x1000, version: 0x0007 } as const;
const PROTOCOL = { bridging: 0x6558, erspan2: 0x88be, erspan3: 0x22eb } as const;
const READ: readonly number[] = [0x0800, 0x86dd, 0x8847, 0x8848];
const SESSION = 0x3ff;

/** `kind` for what is not ERSPAN. */
export function readGre(scope: Scope, offset: number, kind: number): TunnelHeader | undefined {
  if (!has(scope, offset, 4)) return undefined;
  const flags = uint16(scope, offset);
  if ((flags & (FLAG.version | FLAG.routing)) !== 0) return undefined;
  const protocol = uint16(scope, offset + 2);
  let at = offset + 4;
  if (flags & FLAG.checksum) at += 4;
  const keyAt = at;
  if (flags & FLAG.key) at += 4;
  if (flags & FLAG.sequence) at += 4;
  if (!has(scope, offset, at - offset)) return undefined;
  const id = flags & FLAG.key ? { id: uint32(scope, keyAt) } : {};
  if (protocol === PROTOCOL.bridging) return { kind, ...id, at, inside: "ethernet" };
  if (READ.includes(protocol)) return { kind, ...id, at, inside: protocol };
  const erspan = kind === ENCAPSULATION.gre ? ENCAPSULATION.erspan : kind;
  if (protocol === PROTOCOL.erspan3) return readType3(scope, at, erspan);
  if (protocol !== PROTOCOL.erspan2) return undefined;
  return flags & FLAG.sequence
    ? readType2(scope, at, erspan)
    : { kind: erspan, ...id, at, inside: "ethernet" };
}

function readType2(scope: Scope, at: number, kind: number): TunnelHeader | undefined {
  if (!has(scope, at, 8) || uint8(scope, at) >> 4 !== 1) return undefined;
  return { kind, id: uint16(scope, at + 2) & SESSION, at: at + 8, inside: "ethernet" };
}

function readType3(scope: Scope, at: number, kind: number): TunnelHeader | undefined {
  if (!has(scope, at, 12) || uint8(scope, at) >> 4 !== 2) return undefined;
  const last = uint16(scope, at + 10);
  const behind = at + 12 + ((last & 1) !== 0 ? 8 : 0);
  const type = (last >> 10) & 0x1f;
  if (type !== 0 && type !== 2) return undefined;
  return { kind, id: uint16(scope, at + 2) & SESSION, at: behind, inside: type === 0 ? "ethernet" : "ip" };
}
