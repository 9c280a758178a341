// Opens a capture file by what it begins with, not by its name.

import { ByteSource, CaptureFileError } from "./byte-source.ts";
import type { PacketReader } from "./packet.ts";
import { isPcap, PcapReader } from "./pcap.ts";
import { PcapngReader, SECTION_HEADER } from "./pcapng.ts";

const GZIP_MAGIC = 0x1f8b;
const ZSTD_MAGIC = 0x28b52ffd;

/** An open capture file: its packets, until it is disposed of. */
export interface CaptureFile extends Disposable {
  readonly packets: PacketReader;
}

/**
 * Opens a pcap or pcapng file and reads its header.
 * @throws CaptureFileError: it cannot be opened, is empty, compressed, or neither format
 */
export function openCaptureFile(path: string): CaptureFile {
  const source = new ByteSource(path);
  try {
    return { packets: readerFor(source), [Symbol.dispose]: () => source[Symbol.dispose]() };
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
}

function readerFor(source: ByteSource): PacketReader {
  if (!source.fill(4)) {
    const content = source.available === 0 ? "it is empty" : `it has ${source.available} bytes`;
    throw new CaptureFileError(`Cannot read "${source.path}": ${content}`);
  }
  const magic = source.view.getUint32(0);
  if (isPcap(magic)) return new PcapReader(source);
  if (magic === SECTION_HEADER) return new PcapngReader(source);
  if (magic >>> 16 === GZIP_MAGIC || magic === ZSTD_MAGIC) {
    throw new CaptureFileError(`Cannot read "${source.path}": it is compressed; unpack it first`);
  }
  throw new CaptureFileError(`Cannot read "${source.path}": it is neither a pcap nor a pcapng file`);
}
