import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DecoratedBatch } from "../../src/decorate.ts";
import { EVERY_ATTRIBUTE } from "../../src/export/attributes.ts";
import { recordLines } from "../../src/export/lines.ts";
import { createNdjsonFormatter } from "../../src/export/ndjson.ts";
import { createStdoutExporter, type StdoutExporterOptions } from "../../src/export/stdout.ts";
import { createLogger } from "../../src/lib/log.ts";
import { tcpBatch } from "./records.ts";
import { until } from "./until.ts";

const FIFO = join(tmpdir(), `mermin-stdout-${process.pid}`);
const O_RDONLY_NONBLOCK = 0o4000;
const O_WRONLY = 0o1;
const FLUSH_MS = 10_000;

const SILENT = createLogger({ level: "error", format: "text", write: () => {} });

/** Both ends of a pipe of this test. */
interface Pipe extends Disposable {
  readonly reader: number;
  readonly writer: number;
  closeReader(): void;
}

function openPipe(): Pipe {
  Bun.spawnSync(["mkfifo", FIFO]);
  const reader = openSync(FIFO, O_RDONLY_NONBLOCK);
  const writer = openSync(FIFO, O_WRONLY | O_RDONLY_NONBLOCK);
  let isReaderOpen = true;
  const closeReader = (): void => {
    if (isReaderOpen) closeSync(reader);
    isReaderOpen = false;
  };
  return {
    reader,
    writer,
    closeReader,
    [Symbol.dispose]: () => {
      closeReader();
      closeSync(writer);
    },
  };
}

/** What can be read now. */
function readAvailable(descriptor: number): string {
  const buffer = Buffer.alloc(1 << 20);
  try {
    return buffer.toString("utf8", 0, readSync(descriptor, buffer));
  } catch {
    return "";
  }
}

function exporterOn(fileDescriptor: number, options: Partial<StdoutExporterOptions> = {}) {
  return createStdoutExporter({
    format: recordLines(createNdjsonFormatter(EVERY_ATTRIBUTE)),
    log: SILENT,
    fileDescriptor,
    ...options,
  });
}

function portsOf(text: string): number[] {
  const lines = text.split("\n");
  expect(lines.pop()).toBe("");
  return lines.map((line) => JSON.parse(line).attributes["source.port"]);
}

afterEach(() => rmSync(FIFO, { force: true }));

describe("stdout exporter", () => {
  test("writes every line once and in order through a pipe much smaller than what it has to say", async () => {
    using pipe = openPipe();
    await using exporter = exporterOn(pipe.writer);
    for (let i = 0; i < 5; i++) exporter.accept(tcpBatch(400));
    let text = "";
    const flushed = exporter.flush(AbortSignal.timeout(FLUSH_MS));
    await until(() => {
      text += readAvailable(pipe.reader);
      return exporter.stats().sent === 2000;
    });
    text += readAvailable(pipe.reader);
    expect(await flushed).toBe(true);
    const ports = Array.from({ length: 400 }, (_, port) => port);
    expect(portsOf(text)).toEqual([...ports, ...ports, ...ports, ...ports, ...ports]);
    expect(exporter.stats()).toMatchObject({ accepted: 2000, sent: 2000, dropped: {}, queueSpans: 0 });
    expect(exporter.acknowledged).toBe(2000);
  });

  test("drops the oldest and counts them while its reader sleeps, and never half a line", async () => {
    using pipe = openPipe();
    await using exporter = exporterOn(pipe.writer, { capacity: 500 });
    for (let i = 0; i < 20; i++) exporter.accept(tcpBatch(100));
    expect(await exporter.flush(AbortSignal.timeout(20))).toBe(false);
    const { accepted, sent, dropped, queueSpans } = exporter.stats();
    expect(sent + (dropped.queue_full ?? 0) + queueSpans).toBe(accepted);
    expect(dropped.queue_full).toBeGreaterThanOrEqual(1_300);
    // What was dropped is behind what still waits for the pipe.
    expect(exporter.acknowledged).toBe(sent);
    let text = "";
    await until(() => {
      text += readAvailable(pipe.reader);
      return exporter.stats().queueSpans === 0;
    });
    text += readAvailable(pipe.reader);
    expect(portsOf(text)).toHaveLength(exporter.stats().sent);
    expect(exporter.acknowledged).toBe(2000);
  });

  test("says that its reader is gone, and counts what was not written", async () => {
    using pipe = openPipe();
    await using exporter = exporterOn(pipe.writer);
    pipe.closeReader();
    exporter.accept(tcpBatch(3));
    const failure = await exporter.failure;
    expect(failure.message).toBe("Cannot write to standard output");
    expect(failure.cause).toMatchObject({ code: "EPIPE" });
    exporter.accept(tcpBatch(2));
    expect(exporter.stats()).toMatchObject({
      accepted: 5,
      sent: 0,
      dropped: { output_failed: 5 },
      queueSpans: 0,
    });
    expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(false);
  });

  test("counts what was waiting when it is closed", async () => {
    using pipe = openPipe();
    const exporter = exporterOn(pipe.writer);
    for (let i = 0; i < 4; i++) exporter.accept(tcpBatch(200));
    await exporter[Symbol.asyncDispose]();
    const { sent, dropped, queueSpans } = exporter.stats();
    expect(queueSpans).toBe(0);
    expect(sent + (dropped.shutdown ?? 0)).toBe(800);
    // The write that was under way ends with an error, not with the test.
    pipe.closeReader();
  });

  test("accepts an empty batch without a write", async () => {
    using pipe = openPipe();
    await using exporter = exporterOn(pipe.writer);
    const empty: DecoratedBatch = tcpBatch(0);
    exporter.accept(empty);
    expect(await exporter.flush(AbortSignal.timeout(FLUSH_MS))).toBe(true);
    expect(exporter.stats().requests).toEqual({ success: 0, failure: 0 });
  });
});
