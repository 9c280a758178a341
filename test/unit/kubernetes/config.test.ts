import { describe, expect, test } from "bun:test";
import { parse } from "smol-toml";
import { printConfig } from "../../../src/config/print.ts";
import { describeConfig } from "../../../src/config/settings.ts";
import { validateConfig } from "../../../src/config/validate.ts";
import type { KubernetesConfig } from "../../../src/kubernetes/config.ts";

const RULES = `
[kubernetes]
enabled = true
kubeconfig_path = "/etc/mermin/kubeconfig"

[[kubernetes.extract.labels]]
key = "team"
attribute = "k8s.pod.team"

[[kubernetes.extract.annotations]]
from = "Namespace"
key_regex = "owner/(.*)"
attribute_value = "$1"

[[kubernetes.association.pod.sources]]
from = "destination.ip"
to = ["status.podIPs[*]"]

[[kubernetes.selectors]]
namespaces = ["shop"]
match_labels = { tier = "frontend" }
match_expressions = [{ key = "track", operator = "NotIn", values = ["canary"] }]

[[kubernetes.selector_relations]]
kind = "Deployment"
selector_match_labels_field = "spec.selector.matchLabels"
`;

describe("[kubernetes]", () => {
  test("is decided by where the agent runs, and relates services and policies to pods, by default", () => {
    expect(read("")).toMatchObject({
      enabled: "auto",
      kubeconfig_path: "",
      grace: 60_000,
      owner_relations: { max_depth: 5, include_kinds: [], exclude_kinds: [] },
      extract: { labels: [], annotations: [] },
      association: { pod: { sources: [] }, gateway: { sources: [] } },
      selectors: [],
      selector_relations: [
        { kind: "Service", to: "Pod" },
        { kind: "NetworkPolicy", to: "Pod" },
      ],
    });
  });

  test("reads rules as lists of tables, which print as they are read", () => {
    const config = read(RULES);
    expect(config).toMatchObject({
      enabled: true,
      extract: {
        labels: [{ from: "Pod", key: "team", key_regex: "", attribute: "k8s.pod.team" }],
        annotations: [{ from: "Namespace", key_regex: "owner/(.*)", attribute_value: "$1" }],
      },
      association: { pod: { sources: [{ from: "destination.ip", to: ["status.podIPs[*]"] }] } },
      selectors: [
        {
          kind: "Pod",
          namespaces: ["shop"],
          match_labels: { tier: "frontend" },
          match_expressions: [{ key: "track", operator: "NotIn", values: ["canary"] }],
          include: true,
        },
      ],
    });
    expect(config.selector_relations.map(({ kind }) => kind)).toEqual(["Deployment"]);
    const whole = validate(RULES);
    if (whole.status === "invalid") throw new Error("invalid");
    expect(read(printConfig(whole.config))).toEqual(config);
  });

  test.each([
    ["enabled = 1", 'must be "auto", true or false'],
    ["extract.labels = { from = 'Pod' }", "must have either key or key_regex"],
    ["extract.labels = { key = 'a', key_regex = 'b' }", "must have either key or key_regex"],
    [
      "extract.labels = [{ key = 'a', keys = 'b' }]",
      "is not a setting; did you mean kubernetes.extract.labels.key?",
    ],
    ["extract.annotations = { key_regex = '(' }", "must be a regular expression"],
    [`extract.annotations = { key_regex = '${"a".repeat(257)}' }`, "must have 256 characters at most"],
    ["association.pod.sources = { to = ['status.phase'] }", 'must be one of "status.podIP"'],
    ["selectors = { kind = 'Secret' }", 'must be one of "Pod"'],
    ["selectors = { match_expressions = { operator = 'Has' } }", 'must be one of "In"'],
    ["selector_relations = { kind = 'CronJob' }", 'must be one of "Service"'],
    [
      "selector_relations = { selector_match_labels_field = 'spec.labels' }",
      "fields of that kind's own selector",
    ],
    ["owner_relations.include_kinds = ['a b']", "must be a kind"],
  ])("refuses %s", (toml, message) => {
    const validation = validate(`[kubernetes]\n${toml}`);
    expect(
      validation.status === "invalid" ? validation.problems.map((problem) => problem.message) : [],
    ).toEqual([expect.stringContaining(message)]);
  });
});

function validate(toml: string): ReturnType<typeof validateConfig> {
  return validateConfig(parse(toml), describeConfig());
}

function read(toml: string): KubernetesConfig {
  const validation = validate(toml);
  if (validation.status === "invalid") throw new Error(JSON.stringify(validation.problems));
  return validation.config.kubernetes;
}
