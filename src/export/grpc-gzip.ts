// Has grpc-js send a message that is compressed already. Its own gzip is of level 6 and knows no other: it costs three
// times as much (bench/README.md, `spans`).

import { InterceptingCall, type Interceptor } from "@grpc/grpc-js";

/** The first octet of a message's frame. */
const COMPRESSED = 1;
/** To grpc-js: not to be compressed. */
const NO_COMPRESS = 2;

/** Leaves a message as it is; the header `grpc-encoding` is the channel's. */
export const leaveCompressed: Interceptor = (options, nextCall) => new CompressedCall(nextCall(options));

class CompressedCall extends InterceptingCall {
  override sendMessageWithContext(
    context: Parameters<InterceptingCall["sendMessageWithContext"]>[0],
    message: unknown,
  ): void {
    super.sendMessageWithContext({ ...context, flags: NO_COMPRESS }, message);
  }
}

/**
 * `message`, marked in its frame as compressed: grpc-js marks what it did not compress itself as plain, and then copies
 * it behind that.
 */
export function markCompressed(message: Buffer): Buffer {
  const copy = (frame: Uint8Array, at?: number): number => {
    frame[0] = COMPRESSED;
    return Buffer.prototype.copy.call(message, frame, at);
  };
  return Object.assign(message, { copy });
}
