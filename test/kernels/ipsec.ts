// IPsec in transport mode: ESP hides what is exchanged, an authentication header stands before it.

import { between, CABLE, CUT_UP, type Scenario } from "./scenario.ts";
import { neighbours } from "./tunnel-devices.ts";

const KEY = "0x000102030405060708090a0b0c0d0e0f10111213";
const AUTHENTICATION = `auth 'hmac(sha1)' ${KEY}`;
const ENCRYPTION = `enc 'ecb(cipher_null)' '' ${AUTHENTICATION}`;

/** States for both ways in both namespaces, and the policy that one end sends and takes nothing else. */
function protect(subnet: string, protocol: "esp" | "ah", spi: number): string {
  const [first, second] = [`${subnet}1`, `${subnet}2`];
  const algorithms = protocol === "ah" ? AUTHENTICATION : ENCRYPTION;
  const state = (namespace: string, [from, to]: readonly string[], offset: number): string =>
    `in_namespace ${namespace} ip xfrm state add src ${from} dst ${to} proto ${protocol} spi ${spi + offset} mode transport ${algorithms}`;
  const policy = (namespace: string, [from, to]: readonly string[], side: "in" | "out"): string =>
    `in_namespace ${namespace} ip xfrm policy add src ${from} dst ${to} dir ${side} tmpl proto ${protocol} mode transport`;
  return ["root", "peer"]
    .flatMap((namespace) => [
      state(namespace, [first, second], 0),
      state(namespace, [second, first], 1),
      policy(namespace, [first, second], namespace === "root" ? "out" : "in"),
      policy(namespace, [second, first], namespace === "root" ? "in" : "out"),
    ])
    .join("\n");
}

const AH_SPI = 8193;

/** ESP hides the flow, an authentication header does not. */
export const IPSEC_SCENARIO: Scenario = {
  name: "ipsec",
  interfaces: ["veth0"],
  hooked: ["veth0"],
  setup: `${CABLE}
for subnet in 10.25.0 10.26.0; do
  add_address root veth0 $subnet.1/24
  add_address peer veth0 $subnet.2/24
done
${neighbours("veth0", ["10.25.0.1", "10.25.0.2"])}
${neighbours("veth0", ["10.26.0.1", "10.26.0.2"])}
${protect("10.25.0.", "esp", 4097)}
${protect("10.26.0.", "ah", AH_SPI)}
${CUT_UP}`,
  exchanges: [
    between("in esp", ["10.25.0.1", "10.25.0.2"], { isHidden: true }),
    between("behind ah", ["10.26.0.1", "10.26.0.2"], {
      // Twelve bytes and a digest of twelve (RFC 2404).
      authentication: { spi: AH_SPI, headerBytes: 24 },
    }),
  ],
  opaque: [{ transport: "esp", ends: ["10.25.0.1", "10.25.0.2"], port: 0, numbered: ["flow.ipsec.esp.spi"] }],
  wire: { device: "veth0", besides: [] },
};
