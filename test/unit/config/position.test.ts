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
  [["flow", "table_capacity"], undefined],
  [["span", "udp_timeout"], undefined],
])("findLine finds %p", (path, line) => {
  expect(findLine(TEXT, path)).toBe(line as number);
});
