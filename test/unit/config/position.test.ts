import { expect, test } from "bun:test";
import { findLine } from "../../../src/config/position.ts";

const TEXT = `# span.tcp_timeout = "comment"
log_level = "info"
"quoted key" = 1
text = """
[not.a.table]
log_format = "inside a string"
"""
log_format = "json"

[ span ] # header
tcp_timeout= "5s"
[export.otlp]
headers = { authorization = "x" }
[export."resource_attributes"]
"service.name" = "a"
[capture]
interfaces = [
  "eth0",
  "en*",
]
server.listen = "0.0.0.0:1"
[[list.of]]
a = 1
[[list.of]]
a = 2
[list.of.inner]
b = 3
`;

test.each([
  [["log_level"], 2],
  [["quoted key"], 3],
  [["log_format"], 8],
  [["span"], 10],
  [["span", "tcp_timeout"], 11],
  [["export", "otlp"], 12],
  [["export"], 12],
  [["export", "otlp", "headers", "authorization"], 13],
  [["export", "resource_attributes", "service.name"], 15],
  [["capture", "interfaces", "1"], 17],
  [["capture", "server", "listen"], 21],
  [["list", "of", "0", "a"], 23],
  [["list", "of", "a"], 23],
  [["list", "of", "1", "a"], 25],
  [["list", "of", "1", "inner", "b"], 27],
  [["list", "of", "2", "a"], undefined],
  [["flow", "table_capacity"], undefined],
  [["span", "udp_timeout"], undefined],
])("findLine finds %p", (path, line) => {
  expect(findLine(TEXT, path)).toBe(line as number);
});
