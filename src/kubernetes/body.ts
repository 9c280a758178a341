// Bodies of responses that others write: read whole up to a limit, or line by line as they come.

/** A body is longer than what is taken. */
export class TooLongError extends Error {
  override readonly name = "TooLongError";
}

/** The connection ended before the body did. */
export class CutError extends Error {
  override readonly name = "CutError";
}

/** @throws CutError; Error where the body has more than `limit` bytes, of which no more is read */
export async function readBounded(response: Response, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(response)) {
    length += chunk.length;
    if (length > limit) throw new TooLongError(`an answer of more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length);
}

/**
 * The lines that each chunk of the body completes, without their ends. What stands behind the last end of a line was
 * cut off, and is left out.
 * @throws CutError; Error where a line has more than `limit` bytes
 */
export async function* readLines(response: Response, limit: number): AsyncGenerator<readonly Uint8Array[]> {
  let pending: Uint8Array[] = [];
  let pendingLength = 0;
  for await (const chunk of chunksOf(response)) {
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      pending.push(chunk.subarray(from, end));
      lines.push(pending.length === 1 && pending[0] !== undefined ? pending[0] : Buffer.concat(pending));
      pending = [];
      pendingLength = 0;
      from = end + 1;
    }
    if (from < chunk.length) pending.push(chunk.subarray(from));
    pendingLength += chunk.length - from;
    if (pendingLength > limit) throw new TooLongError(`a line of more than ${limit} bytes`);
    yield lines;
  }
}

const NEWLINE = 0x0a;

async function* chunksOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (let next = await readFrom(reader); !next.done; next = await readFrom(reader)) yield next.value;
  } finally {
    // Ends the connection where the body is left before its end.
    await reader.cancel().catch(() => undefined);
  }
}

async function readFrom<T>(reader: { readonly read: () => Promise<T> }): Promise<T> {
  try {
    return await reader.read();
  } catch (cause) {
    throw new CutError("the connection was cut", { cause });
  }
}
