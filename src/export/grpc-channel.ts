// A channel of grpc-js to one collector, made so that it ends when it is closed. Comes in: options, TLS material.

import type { Socket } from "node:net";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  credentials as channelCredentials,
} from "@grpc/grpc-js";
import type { TlsMaterial } from "./credentials.ts";
import type { TransportOptions } from "./transport-http.ts";

export interface GrpcOptions extends TransportOptions {
  /** `host:port` */
  readonly target: string;
}

/** A channel and what it was made of. */
export interface GrpcChannel {
  readonly client: Client;
  /** undefined: not over TLS. */
  readonly material: TlsMaterial | undefined;
  /** Takes no more calls; those under way end, or are ended with their deadline. */
  readonly close: () => void;
}

/** Most bytes of an answer. */
export const ANSWER_BYTES: number = 64 * 1024;

const GZIP_ALGORITHM = 2;

/** grpc-js names any host in its TLS greeting, and Bun's TLS refuses to name an address: this stands for it. */
const NO_NAME = "address.invalid";

/** Nothing is connected before the first call. */
export function openGrpcChannel(options: GrpcOptions, material: TlsMaterial | undefined): GrpcChannel {
  const credentials = createCredentials(material, options);
  const sockets = keepSockets(credentials);
  const client = new Client(options.target, credentials, channelOptions(options));
  const close = (): void => {
    client.close();
    // A connection whose peer has not spoken HTTP/2 yet would wait for that for ever.
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, options.config.timeout);
    timer.unref();
  };
  return { client, material, close };
}

/** The open sockets of all connections that are made with `credentials`. */
function keepSockets(credentials: ChannelCredentials): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  const create = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...channel) => {
    const connector = create(...channel);
    return {
      connect: (socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
        return connector.connect(socket);
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  };
  return sockets;
}

function createCredentials(
  material: TlsMaterial | undefined,
  { config, url }: GrpcOptions,
): ChannelCredentials {
  if (material === undefined) return channelCredentials.createInsecure();
  const { ca, cert, key } = material;
  return channelCredentials.createSsl(
    ca === undefined ? null : Buffer.from(ca.join("\n")),
    key === undefined ? null : Buffer.from(key),
    cert === undefined ? null : Buffer.from(cert),
    {
      rejectUnauthorized: !config.tls.insecure_skip_verify,
      checkServerIdentity: (host, certificate) =>
        checkServerIdentity(host === NO_NAME ? plainHost(url) : host, certificate),
    },
  );
}

/** The host of a URL, an IPv6 address without its brackets. */
function plainHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}

function channelOptions({ config, url, target, userAgent }: GrpcOptions): ClientOptions {
  const serverName = config.tls.server_name || (isIP(plainHost(url)) > 0 ? NO_NAME : "");
  return {
    "grpc.primary_user_agent": userAgent,
    "grpc.enable_retries": 0,
    // As over HTTP: those of the environment are not asked.
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": ANSWER_BYTES,
    "grpc.max_send_message_length": -1,
    // The pauses are the sender's: a channel that waits for longer would only answer for the collector.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1000,
    ...(config.compression === "gzip" ? { "grpc.default_compression_algorithm": GZIP_ALGORITHM } : {}),
    "grpc.default_authority": config.tls.server_name || target,
    ...(serverName === "" ? {} : { "grpc.ssl_target_name_override": serverName }),
  };
}
