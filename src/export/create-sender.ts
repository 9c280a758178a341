// Makes the sender of one signal to one collector.

import type { Logger } from "../lib/log.ts";
import { Credentials } from "./credentials.ts";
import type { OtlpConfig } from "./otlp-config.ts";
import { grpcTarget, signalUrl } from "./otlp-endpoint.ts";
import { exporterName } from "./otlp-rules.ts";
import { createSplitter } from "./otlp-split.ts";
import type { Encoding, Signal } from "./request-encoder.ts";
import { RequestSender, type SenderOptions } from "./request-sender.ts";
import type { Transport } from "./send-outcome.ts";
import { createHttpTransport } from "./transport-http.ts";

/** What opening a transport gives. */
type Opened = Pick<Transport, "send" | typeof Symbol.dispose>;

export interface SenderContext {
  /** Of the build. */
  readonly version: string;
  readonly log: Logger;
  readonly observe?: SenderOptions["observe"];
}

/** How the requests of a collector are written. */
export function encodingOf({ protocol }: Pick<OtlpConfig, "protocol">): Encoding {
  return protocol === "http_json" ? "json" : "protobuf";
}

/** The sender of `signal` to the collector of `config`; its name is the exporter's, with the signal where that is not traces. */
export function createSender(
  config: OtlpConfig,
  signal: Signal,
  { version, log, observe }: SenderContext,
): RequestSender {
  return new RequestSender({
    name: exporterName(config, signal),
    limits: config,
    transport: createTransport(config, signal, version),
    split: createSplitter(signal, encodingOf(config)),
    log,
    observe,
  });
}

function createTransport(config: OtlpConfig, signal: Signal, version: string): Transport {
  const userAgent = `mermin/${version}`;
  if (config.protocol === "grpc") {
    const { url, target } = grpcTarget(config, signal);
    const credentials = new Credentials(config, url);
    const isUnverified = url.protocol === "https:" && config.tls.insecure_skip_verify;
    return openLater({ host: target, isUnverified }, async () => {
      // 20 MB that an agent without gRPC does not pay.
      const { createGrpcTransport } = await import("./transport-grpc.ts");
      return createGrpcTransport({ config, url, target, credentials, userAgent }, signal);
    });
  }
  const url = signalUrl(config, signal);
  const credentials = new Credentials(config, url);
  url.username = "";
  url.password = "";
  return createHttpTransport({ config, url, credentials, userAgent }, encodingOf(config));
}

/** A transport that is opened by its first request. */
function openLater(facts: Pick<Transport, "host" | "isUnverified">, open: () => Promise<Opened>): Transport {
  let opened: Promise<Opened> | undefined;
  return {
    ...facts,
    send: async (request, signal) => {
      opened ??= open();
      return await (await opened).send(request, signal);
    },
    [Symbol.dispose]: () => void opened?.then((transport) => transport[Symbol.dispose]()),
  };
}
