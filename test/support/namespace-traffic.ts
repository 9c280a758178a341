// Conversations between two namespaces. Each function returns when its last packet has been answered or sent.

import type { Namespace } from "./namespace.ts";
import type { TestProcess } from "./namespace-process.ts";

const DATAGRAMS: string = new URL("./namespace-datagrams.ts", import.meta.url).pathname;

/** A namespace and the address it speaks from. */
export interface Speaker {
  readonly namespace: Namespace;
  readonly address: string;
}

/** An iperf3 server that serves one run after the other. */
export interface IperfServer extends AsyncDisposable {
  readonly speaker: Speaker;
  readonly process: TestProcess;
}

/** Starts a server, for {@link iperf}. */
export function serveIperf(speaker: Speaker): IperfServer {
  const command = ["iperf3", "--server", "--bind", speaker.address, "--forceflush"];
  const started = speaker.namespace.start(command);
  return { speaker, process: started, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

/** One run from client to server, once the server has ended those before; `words` are options of iperf3. */
export async function iperf(client: Speaker, server: IperfServer, words: readonly string[]): Promise<void> {
  const isReady = ({ output }: TestProcess): boolean =>
    output.split("Server listening").length > output.split("Accepted connection").length;
  await server.process.until(isReady);
  const command = ["iperf3", "--client", server.speaker.address, "--bind", client.address, ...words];
  await demandSuccess(client.namespace.start(command));
}

/** One TCP connection on which the client sends `bytes` zeros and closes. */
export async function transfer(client: Speaker, server: Speaker, bytes: number): Promise<void> {
  const port = "7000";
  const sink = server.namespace.start([
    "sh",
    "-c",
    `exec nc -n -N -v -l ${server.address} ${port} > /dev/null`,
  ]);
  await sink.until(({ errors }) => errors.includes("Listening"));
  const source = `head -c ${bytes} /dev/zero | nc -n -N -s ${client.address} ${server.address} ${port}`;
  await demandSuccess(client.namespace.start(["sh", "-c", source]));
  await demandSuccess(sink);
}

/** Echo requests 10 ms apart. */
export async function ping(client: Speaker, server: Speaker, count: number): Promise<void> {
  const options = ["-c", String(count), "-i", "0.01", "-q", "-I", client.address];
  await demandSuccess(client.namespace.start(["ping", ...options, server.address]));
}

export interface DatagramOptions {
  readonly port: number;
  readonly count: number;
  /** Datagrams in a row; default all. */
  readonly batch?: number;
  /** Between batches, in ms; default 0. */
  readonly pauseMs?: number;
}

/** Begins to send datagrams from one socket. */
export function startDatagrams(client: Speaker, server: Speaker, options: DatagramOptions): TestProcess {
  const { port, count, batch = count, pauseMs = 0 } = options;
  const words = [client.address, server.address, port, count, batch, pauseMs].map(String);
  return client.namespace.start([process.execPath, DATAGRAMS, ...words]);
}

/** Waits for the end. @throws Error with what the process wrote, where it failed. */
export async function demandSuccess(started: TestProcess): Promise<void> {
  const { exitCode, stdout, stderr } = await started.ended();
  if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${stderr}${stdout}`);
}
