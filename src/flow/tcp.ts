// The state of a TCP connection as its initiator has it (RFC 9293, 3.3.2), out of what passed by.
// Comes in: unions of flags, and the bits that they do not tell. Goes out: a state, or none. Never touches the table.

import { TCP_STATE } from "../capture/record.ts";
import { CONNECTION_STATE } from "./flow.ts";

type ConnectionState = (typeof CONNECTION_STATE)[keyof typeof CONNECTION_STATE];

const FIN = 1;
const SYN = 2;
const RST = 4;

/**
 * The state after what was seen: what passed by is taken for received, but a SYN-ACK only once it is acknowledged.
 * @param flags TCP flags of both ways, low → high | high → low << 8
 * @param state bits of TCP_STATE
 * @param initiator way of its packets: 0 low → high, 1 high → low
 */
export function connectionState(flags: number, state: number, initiator: number): ConnectionState {
  const own = (flags >>> (8 * initiator)) & 0xff;
  const other = (flags >>> (8 * (1 - initiator))) & 0xff;
  if ((own | other) === 0) return CONNECTION_STATE.unknown;
  if (((own | other) & RST) !== 0) return CONNECTION_STATE.closed;
  if ((own & FIN) !== 0) return ownFinState(other, state, initiator);
  if ((other & FIN) !== 0) return CONNECTION_STATE.closeWait;
  if (((own | other) & SYN) === 0 || (state & TCP_STATE.established) !== 0)
    return CONNECTION_STATE.established;
  return (state & TCP_STATE.simultaneous) === 0 ? CONNECTION_STATE.synSent : CONNECTION_STATE.synReceived;
}

/** After the initiator's FIN. */
function ownFinState(otherFlags: number, state: number, initiator: number): ConnectionState {
  const isAcked = (state & (TCP_STATE.finAcked << initiator)) !== 0;
  if ((otherFlags & FIN) === 0) return isAcked ? CONNECTION_STATE.finWait2 : CONNECTION_STATE.finWait1;
  const isActive = (state & (TCP_STATE.finActive << initiator)) !== 0;
  if (isActive) return isAcked ? CONNECTION_STATE.timeWait : CONNECTION_STATE.closing;
  return isAcked ? CONNECTION_STATE.closed : CONNECTION_STATE.lastAck;
}
