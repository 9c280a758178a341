// The built agent in a namespace, watching a test's API server as its kubeconfig says; its health and metrics are read.

import { type Agent, type AgentConfig, startAgent } from "./agent.ts";
import { METRICS_ADDRESS, type Metrics, readMetrics } from "./agent-metrics.ts";
import type { AgentSpan } from "./agent-spans.ts";
import { parseAgentSpans } from "./agent-spans.ts";
import { requestToken, writeKubeconfig } from "./kubernetes-access.ts";
import { type Relay, relayInto } from "./kubernetes-relay.ts";
import { CLUSTER_NAME } from "./kubernetes-said.ts";
import type { KubernetesServer } from "./kubernetes-server.ts";
import type { Namespace } from "./namespace.ts";

const HEALTH_ADDRESS = "127.0.0.1:8080";
const DEADLINE_MS = 60_000;

export interface ClusterAgentOptions {
  readonly span?: AgentConfig[string];
  /** Behind `[kubernetes]`. */
  readonly toml?: string;
  readonly kubernetes?: AgentConfig[string];
  /** Default: a service account's. */
  readonly token?: string;
}

/** An agent that watches a cluster. */
export class ClusterAgent implements AsyncDisposable {
  readonly agent: Agent;
  /** To the API server: may be cut. */
  readonly relay: Relay;
  readonly #namespace: Namespace;

  constructor(namespace: Namespace, { agent, relay }: { readonly agent: Agent; readonly relay: Relay }) {
    this.agent = agent;
    this.relay = relay;
    this.#namespace = namespace;
  }

  /** What was exported so far. */
  get spans(): readonly AgentSpan[] {
    const { output } = this.agent.process;
    return parseAgentSpans(output.slice(0, output.lastIndexOf("\n") + 1));
  }

  /** Lines of the log that are warnings. */
  get warnings(): readonly string[] {
    return this.agent.process.errors.split("\n").filter((line) => / WARN /.test(line));
  }

  metrics(): Metrics {
    return readMetrics(this.#namespace);
  }

  /** The cluster's check of `/readyz`, and whether all of them are well. */
  readiness(): { readonly isReady: boolean; readonly status: string; readonly reason: string } {
    const words = ["curl", "--silent", "--write-out", "\n%{http_code}", `http://${HEALTH_ADDRESS}/readyz`];
    const [body = "", , code] = this.#namespace.run(...words).split("\n");
    const { checks }: { readonly checks: readonly Record<"name" | "status" | "reason", string>[] } =
      JSON.parse(body);
    const check = checks.find(({ name }) => name === "kubernetes");
    return { isReady: code === "200", status: check?.status ?? "none", reason: check?.reason ?? "" };
  }

  /** Waits until every list was complete. */
  async synced(): Promise<this> {
    await this.until(
      () => this.readiness().status === "ok",
      () => JSON.stringify(this.readiness()),
    );
    return this;
  }

  /** Waits for something that the agent does. */
  async until(isSo: () => boolean, describe: () => string = () => String(isSo)): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!isSo()) {
      if (performance.now() > deadline) {
        throw new Error(`not in time: ${describe()}\n${this.agent.process.errors.slice(-4000)}`);
      }
      await Bun.sleep(100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent.process[Symbol.asyncDispose]();
    await this.relay[Symbol.asyncDispose]();
  }
}

/** Starts it, with whatever the API server says at the time; nobody waits for that. */
export async function startClusterAgent(
  namespace: Namespace,
  server: KubernetesServer,
  { span = {}, kubernetes = {}, toml = "", token }: ClusterAgentOptions = {},
): Promise<ClusterAgent> {
  const relay = await relayInto(namespace, server);
  const user = { token: token ?? (await requestToken(server)) };
  const kubeconfig = writeKubeconfig(server, namespace.name, { user });
  const agent = await startAgent(namespace, {
    config: {
      span,
      flow: { poll_interval: "200ms" },
      server: { enabled: true, listen: HEALTH_ADDRESS },
      metrics: { enabled: true, listen: METRICS_ADDRESS },
      // Cgroups are the machine's: those of another test would be this agent's too.
      kubernetes: {
        ...{ kubeconfig_path: kubeconfig, cluster_name: CLUSTER_NAME, cgroup_root: "" },
        ...kubernetes,
      },
    },
    toml,
  });
  return new ClusterAgent(namespace, { agent, relay });
}
