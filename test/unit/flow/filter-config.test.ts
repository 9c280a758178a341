import { describe, expect, test } from "bun:test";
import { parse } from "smol-toml";
import { printConfig } from "../../../src/config/print.ts";
import { describeConfig } from "../../../src/config/settings.ts";
import { validateConfig } from "../../../src/config/validate.ts";

function validate(toml: string): ReturnType<typeof validateConfig> {
  return validateConfig(parse(toml), describeConfig());
}

/** `path message` of everything that is wrong. */
function problemsOf(toml: string): readonly string[] {
  const validation = validate(toml);
  if (validation.status === "valid") return [];
  return validation.problems.map(({ path, message }) => `${path.join(".")} ${message}`);
}

describe("[filter]", () => {
  test("takes entries as they are written", () => {
    const validation = validate(`
      [filter.source]
      address = { match = ["10.0.0.0/8", "2001:db8::1"] }
      port = { not_match = [443, "8000-9000", "0"] }
      [filter.network]
      transport = { match = ["tcp", "UDP", 132, "253"] }
      interface_mac = { match = ["02:42:AC:11:00:02"] }
      [filter.flow]
      tcp_flags_tags.match = ["RST"]
      min_packets = 2
    `);
    if (validation.status === "invalid") throw new Error(JSON.stringify(validation.problems));
    const { filter } = validation.config;
    expect(filter.source.address).toEqual({ match: ["10.0.0.0/8", "2001:db8::1"], not_match: [] });
    expect(filter.source.port).toEqual({ match: [], not_match: [443, "8000-9000", "0"] });
    expect(filter.network.transport.match).toEqual(["tcp", "UDP", 132, "253"]);
    expect(filter.flow.tcp_flags_tags).toEqual({ match: ["RST"], not_match: [] });
    expect([filter.flow.min_packets, filter.flow.min_bytes]).toEqual([2, 0]);
  });

  const address = 'must be an address such as "10.0.0.1" or a network such as "2001:db8::/32"';
  const port = 'must be a port from 0 to 65535 or a range such as "8000-9000"';
  test.each([
    ["source.address", '{ match = ["10.0.0.0/33"] }', `match.0 "10.0.0.0/33" ${address}`],
    ["source.address", "{ not_match = [10] }", `not_match.0 10 ${address}`],
    ["destination.port", "{ match = [443, 65536] }", `match.1 65536 ${port}`],
    ["destination.port", '{ match = ["9000-8000"] }', `match.0 "9000-8000" ${port}`],
    ["destination.port", "{ match = [1.5] }", `match.0 1.5 ${port}`],
    ["destination.port", "{ match = [true] }", "match.0 true must be a string or a number"],
    ["destination.port", "{ match = 443 }", "match 443 must be a list"],
    ["network.type", '{ match = ["ip"] }', 'match.0 "ip" must be one of "ipv4", "ipv6"'],
    [
      "network.interface_name",
      '{ match = ["eth["] }',
      'match.0 "eth[" is a malformed pattern: "[" is not closed',
    ],
    [
      "flow.direction",
      '{ match = ["ingress"] }',
      'match.0 "ingress" must be one of "forward", "reverse", "unknown"',
    ],
  ])("refuses %s = %s", (path, value, problem) => {
    expect(problemsOf(`filter.${path} = ${value}`)).toEqual([`filter.${path}.${problem}`]);
  });

  test("refuses a list in place of the two, which would accept everything", () => {
    expect(problemsOf('filter.network.transport = ["tcp"]')).toEqual([
      'filter.network.transport ["tcp"] must be a table such as { match = [], not_match = [] }',
    ]);
  });

  test("tells all that is wrong, and what was meant", () => {
    const toml = `
      [filter.source]
      adress = { match = [] }
      port = { match = [70000], not_mach = [1] }
      [filter.flow]
      connection_state = { match = ["listen"] }
      conection_state = { match = [] }
      min_bytes = -1
      [filter.k8s]
      namespace = "default"
    `;
    expect(problemsOf(toml)).toEqual([
      "filter.source.adress is not a setting; did you mean filter.source.address?",
      "filter.source.port.not_mach is not a setting; did you mean filter.source.port.not_match?",
      "filter.flow.conection_state is not a setting; did you mean filter.flow.connection_state?",
      "filter.k8s is not a setting; known here: source, destination, network, flow",
      `filter.source.port.match.0 70000 ${port}`,
      expect.stringMatching(/^filter\.flow\.connection_state\.match\.0 "listen" must be one of "syn_sent", /),
      "filter.flow.min_bytes -1 must be a whole number, 0 to 9007199254740991",
    ]);
  });

  test("is printed in one line a dimension, and read back the same", () => {
    const validation = validate(
      `filter.network.interface_name = { match = ["a\\\\[\\"b", '{x,"y"}'], not_match = ["]"] }`,
    );
    if (validation.status === "invalid") throw new Error(JSON.stringify(validation.problems));
    const printed = printConfig(validation.config);
    expect(printed).toContain(
      'interface_name = { match = [ "a\\\\[\\"b", "{x,\\"y\\"}" ], not_match = [ "]" ] }\n',
    );
    expect(validate(printed)).toEqual(validation);
  });
});
