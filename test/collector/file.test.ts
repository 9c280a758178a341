import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { EVERY_ATTRIBUTE } from "../../src/export/attributes.ts";
import { createRequestEncoder } from "../../src/export/create-encoder.ts";
import type { RecordExporter } from "../../src/export/exporter.ts";
import { createFileExporter } from "../../src/export/file.ts";
import type { FileConfig } from "../../src/export/file-config.ts";
import { type FormatLines, recordLines, requestLines } from "../../src/export/lines.ts";
import { createNdjsonFormatter } from "../../src/export/ndjson.ts";
import { RotatingFile } from "../../src/export/rotating-file.ts";
import { createLogger } from "../../src/lib/log.ts";
import { toBytes } from "../../src/lib/size.ts";
import { mountDisk, testWithDisk } from "../support/disk.ts";
import { decodeJsonRequest } from "./decode.ts";
import { tcpBatch } from "./records.ts";

const MIB = 1_048_576;
const FLUSH_MS = 20_000;
/** 10,000 records take seconds on a busy machine. */
setDefaultTimeout(2 * FLUSH_MS);
const NDJSON = recordLines(createNdjsonFormatter(EVERY_ATTRIBUTE));

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mermin-file-"));
  path = join(folder, "flows.ndjson");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Opened extends AsyncDisposable {
  readonly exporter: RecordExporter;
  readonly logged: readonly string[];
}

function open(changes: Partial<FileConfig> = {}, format: FormatLines = NDJSON): Opened {
  const logged: string[] = [];
  const exporter = createFileExporter({
    config: { path, format: "ndjson", max_size: toBytes(MIB), max_files: 3, ...changes },
    format,
    log: createLogger({ level: "info", format: "text", write: (line) => logged.push(line) }),
  });
  return { exporter, logged, [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose]() };
}

async function flush(exporter: RecordExporter): Promise<boolean> {
  return await exporter.flush(AbortSignal.timeout(FLUSH_MS));
}

/** Ports of the spans of all files, oldest first; throws on a line that is not whole. */
function readPorts(place = folder): number[] {
  const names = readdirSync(place).toSorted((a, b) => b.localeCompare(a, "en", { numeric: true }));
  return names.flatMap((name) => {
    const lines = readFileSync(join(place, name), "utf8").split("\n");
    expect(lines.pop()).toBe("");
    return lines.map((line): number => JSON.parse(line).attributes["source.port"]);
  });
}

describe("file exporter", () => {
  test("writes every record once and in order over files of bounded size, and lets the oldest go", async () => {
    await using opened = open();
    for (let i = 0; i < 10; i++) opened.exporter.accept(tcpBatch(1000));
    expect(await flush(opened.exporter)).toBe(true);
    expect(opened.exporter.stats()).toMatchObject({ accepted: 10_000, sent: 10_000, dropped: {} });
    expect(opened.exporter.acknowledged).toBe(10_000);
    const names = readdirSync(folder).toSorted();
    expect(names).toEqual(["flows.ndjson", "flows.ndjson.1", "flows.ndjson.2"]);
    for (const name of names) expect(statSync(join(folder, name)).size).toBeLessThanOrEqual(MIB);
    const ports = readPorts();
    const all = Array.from({ length: 10_000 }, (_, index) => index % 1000);
    expect(ports.length).toBeGreaterThan(1000);
    expect(ports).toEqual(all.slice(-ports.length));
  });

  test("keeps everything where there is room for it", async () => {
    await using opened = open({ max_files: 100 });
    for (let i = 0; i < 5; i++) opened.exporter.accept(tcpBatch(1000));
    expect(await flush(opened.exporter)).toBe(true);
    expect(readPorts()).toEqual(Array.from({ length: 5000 }, (_, index) => index % 1000));
  });

  test("writes requests of OTLP a line", async () => {
    const encoder = createRequestEncoder("traces", "json", {
      resource: new Map(),
      version: "1",
      attributes: EVERY_ATTRIBUTE,
    });
    await using opened = open({}, requestLines(encoder));
    opened.exporter.accept(tcpBatch(100));
    expect(await flush(opened.exporter)).toBe(true);
    const lines = readFileSync(path).toString().trimEnd().split("\n");
    const spans = lines.map((line) => decodeJsonRequest(new TextEncoder().encode(line)).spans.length);
    expect(spans).toEqual([64, 36]);
  });

  test("makes files and folders that not everybody reads", async () => {
    path = join(folder, "a", "flows.ndjson");
    await using opened = open();
    const umask = process.umask(0o077);
    try {
      opened.exporter.accept(tcpBatch(1));
      expect(await flush(opened.exporter)).toBe(true);
    } finally {
      process.umask(umask);
    }
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(statSync(join(folder, "a")).mode & 0o007).toBe(0);
  });

  test("goes on behind what an earlier agent wrote, without the line that its end tore", async () => {
    await using first = open();
    first.exporter.accept(tcpBatch(2));
    expect(await flush(first.exporter)).toBe(true);
    await first.exporter[Symbol.asyncDispose]();
    appendFileSync(path, '{"name":"flow_ipv4_tc');
    await using second = open();
    second.exporter.accept(tcpBatch(1));
    expect(await flush(second.exporter)).toBe(true);
    expect(readPorts()).toEqual([0, 1, 0]);
  });

  test("writes to a new file where somebody took it away", async () => {
    await using opened = open();
    opened.exporter.accept(tcpBatch(1));
    expect(await flush(opened.exporter)).toBe(true);
    renameSync(path, `${path}.taken`);
    opened.exporter.accept(tcpBatch(2));
    expect(await flush(opened.exporter)).toBe(true);
    expect(readFileSync(path, "utf8").trimEnd().split("\n")).toHaveLength(2);
  });

  test("loses and tears nothing where two agents write to one file", async () => {
    await using one = open({ max_files: 100 });
    await using other = open({ max_files: 100 });
    for (let i = 0; i < 20; i++) for (const { exporter } of [one, other]) exporter.accept(tcpBatch(200));
    expect(await Promise.all([flush(one.exporter), flush(other.exporter)])).toEqual([true, true]);
    expect(readPorts()).toHaveLength(8000);
    expect(readdirSync(folder).length).toBeGreaterThan(3);
  });

  test("writes neither through a link nor to what is no file", async () => {
    const target = join(folder, "target");
    writeFileSync(target, "kept");
    symlinkSync(target, path);
    await using linked = open();
    linked.exporter.accept(tcpBatch(3));
    expect(await flush(linked.exporter)).toBe(false);
    expect(linked.exporter.stats()).toMatchObject({ sent: 0, dropped: { output_failed: 3 } });
    expect(readFileSync(target, "utf8")).toBe("kept");
    rmSync(path);
    mkdirSync(path);
    linked.exporter.accept(tcpBatch(1));
    expect(await flush(linked.exporter)).toBe(false);
    rmSync(path, { recursive: true });
    linked.exporter.accept(tcpBatch(1));
    expect(await flush(linked.exporter)).toBe(true);
    expect(linked.logged).toHaveLength(2);
    expect(linked.logged[0]).toContain(`cannot export exporter=file error="${path}: it is a symbolic link`);
    expect(linked.logged[1]).toContain("exporting again");
  });

  test("counts what is not written where the disk is full, tears no line, and recovers with room", async () => {
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=2m", "mermin-test", folder]);
    if (!mounted.success) throw new Error(`cannot mount a tmpfs: ${mounted.stderr}`);
    try {
      writeFileSync(join(folder, "ballast"), new Uint8Array(MIB));
      await using opened = open({ max_files: 5 });
      for (let i = 0; i < 3; i++) opened.exporter.accept(tcpBatch(500));
      expect(await flush(opened.exporter)).toBe(false);
      const full = opened.exporter.stats();
      expect(full.dropped.output_failed).toBeGreaterThan(0);
      expect(full.sent + (full.dropped.output_failed ?? 0)).toBe(1500);
      rmSync(join(folder, "ballast"));
      expect(readPorts()).toHaveLength(full.sent);
      opened.exporter.accept(tcpBatch(100));
      expect(await flush(opened.exporter)).toBe(true);
      expect(readPorts()).toHaveLength(full.sent + 100);
      expect(opened.logged.map((line) => /cannot export|exporting again/.exec(line)?.[0])).toEqual([
        "cannot export",
        "exporting again",
      ]);
      expect(opened.logged[0]).toContain(`${path}: no space left`);
    } finally {
      Bun.spawnSync(["umount", folder]);
    }
  });

  test("counts what waits when it is closed, and leaves whole lines", async () => {
    const opened = open({ max_files: 100 });
    for (let i = 0; i < 5; i++) opened.exporter.accept(tcpBatch(1000));
    await opened.exporter[Symbol.asyncDispose]();
    const { accepted, sent, dropped, queueSpans } = opened.exporter.stats();
    expect([accepted, queueSpans]).toEqual([5000, 0]);
    expect(sent + (dropped.shutdown ?? 0)).toBe(5000);
    expect(readPorts()).toHaveLength(sent);
  });
});

describe("RotatingFile", () => {
  test("holds its bounds and loses the oldest only, whatever is appended", async () => {
    const lines = fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(
        lines,
        // With its newline a line fits.
        fc.integer({ min: 201, max: 500 }),
        fc.integer({ min: 1, max: 4 }),
        async (sizes, maxSize, maxFiles) => {
          const place = mkdtempSync(join(folder, "run-"));
          const file = new RotatingFile({ path: join(place, "f"), maxSize, maxFiles });
          const written = sizes.map((size, index) => `${String(index).padEnd(size, "x")}\n`.slice(-size - 1));
          for (const line of written) await file.append(new TextEncoder().encode(line));
          await file.close();
          const names = readdirSync(place).toSorted().toReversed();
          expect(names.length).toBeLessThanOrEqual(maxFiles);
          const contents = names.map((name) => readFileSync(join(place, name), "utf8"));
          for (const content of contents) expect(content.length).toBeLessThanOrEqual(maxSize);
          expect(written.join("").endsWith(contents.join(""))).toBe(true);
          if (names.length < maxFiles) expect(contents.join("")).toBe(written.join(""));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("goes on behind a full file while another agent's lock is there, and not for ever", async () => {
    const file = new RotatingFile({ path, maxSize: 10, maxFiles: 2 });
    const lock = `${path}.lock`;
    writeFileSync(lock, "");
    for (const line of ["one of 10\n", "behind it\n"]) await file.append(Buffer.from(line));
    expect(readFileSync(path, "utf8")).toBe("one of 10\nbehind it\n");
    utimesSync(lock, 0, 0);
    for (const line of ["finds it\n", "next file\n"]) await file.append(Buffer.from(line));
    await file.close();
    expect(readFileSync(path, "utf8")).toBe("next file\n");
    expect(readFileSync(`${path}.1`, "utf8")).toBe("one of 10\nbehind it\nfinds it\n");
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test("removes at its start what an agent with more files left, and nothing else", async () => {
    const kept = ["flows.ndjson.1", "flows.ndjson.2", "flows.ndjson.1000", "flows.ndjson.03", "other.5"];
    for (const name of [...kept, "flows.ndjson.3", "flows.ndjson.12"]) writeFileSync(join(folder, name), "");
    mkdirSync(`${path}.7`);
    const file = new RotatingFile({ path, maxSize: 100, maxFiles: 3 });
    await file.append(Buffer.from("1\n"));
    writeFileSync(`${path}.9`, "");
    await file.append(Buffer.from("2\n"));
    await file.close();
    const left = [...kept, "flows.ndjson", "flows.ndjson.7", "flows.ndjson.9"];
    expect(readdirSync(folder).toSorted()).toEqual(left.toSorted());
  });

  test("writes where nothing can be removed, and removes once it can", async () => {
    writeFileSync(`${path}.5`, "");
    writeFileSync(`${path}.lock`, "");
    const file = new RotatingFile({ path, maxSize: 2, maxFiles: 1 });
    await file.append(Buffer.from("1\n"));
    expect(readdirSync(folder)).toHaveLength(3);
    rmSync(`${path}.lock`);
    await file.append(Buffer.from("2\n"));
    await file.close();
    expect(readdirSync(folder)).toEqual(["flows.ndjson"]);
    expect(readFileSync(path, "utf8")).toBe("2\n");
  });

  testWithDisk("has on the disk each file that is full once the next is, and at its end all", async () => {
    using disk = mountDisk(folder);
    const file = new RotatingFile({ path: join(disk.mounted, "f"), maxSize: 20, maxFiles: 9 });
    for (const line of ["first of files\n", "second of files\n", "third of files\n"])
      await file.append(Buffer.from(line));
    expect(disk.readAfterPowerLoss()).toMatchObject({ "f.2": "first of files\n" });
    await file.close();
    expect(disk.readAfterPowerLoss()).toEqual({
      "f.2": "first of files\n",
      "f.1": "second of files\n",
      f: "third of files\n",
    });
  });

  test("says what is wrong, and goes on when it is not any more", async () => {
    writeFileSync(join(folder, "a"), "");
    const file = new RotatingFile({ path: join(folder, "a", "b"), maxSize: 100, maxFiles: 2 });
    await expect(file.append(Buffer.from("1\n"))).rejects.toThrow("EEXIST");
    rmSync(join(folder, "a"));
    mkdirSync(join(folder, "a"));
    chmodSync(join(folder, "a"), 0o700);
    await file.append(Buffer.from("2\n"));
    await file.close();
    expect(readFileSync(join(folder, "a", "b"), "utf8")).toBe("2\n");
  });
});
