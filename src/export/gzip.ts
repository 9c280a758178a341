// Compresses requests off the JavaScript thread.

import { promisify } from "node:util";
import { gzip } from "node:zlib";

const compress = promisify<Uint8Array, { level: number; chunkSize: number }, Buffer<ArrayBuffer>>(gzip);
/** One chunk of output is most of a request, so that it is seldom grown. Level: docs/architecture.md. */
const OPTIONS = { level: 1, chunkSize: 128 * 1024 };

/** `request` as gzip. */
export async function gzipRequest(request: Uint8Array): Promise<Buffer<ArrayBuffer>> {
  return await compress(request, OPTIONS);
}
