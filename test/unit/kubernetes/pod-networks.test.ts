import { expect, test } from "bun:test";
import { PodNetworks } from "../../../src/kubernetes/pod-networks.ts";
import { wordsOf } from "./objects.ts";

test("PodNetworks know the addresses of networks of any length, as long as one node has them", () => {
  const networks = new PodNetworks();
  const has = (address: string): boolean => networks.contains(wordsOf(address), 0);
  const [first, second] = [{}, {}];
  networks.set(first, ["10.1.2.0/23", "10.1.0.0/26", "fd00:1::/63", "none"]);
  networks.set(second, ["10.1.0.0/26"]);
  for (const inside of ["10.1.2.0", "10.1.3.255", "10.1.0.63", "fd00:1:0:1::9"])
    expect(has(inside)).toBe(true);
  for (const outside of ["10.1.1.255", "10.1.4.0", "10.1.0.64", "fd00:1:0:2::", "::a01:200"]) {
    expect(has(outside)).toBe(false);
  }
  networks.set(first, ["10.1.8.0/26"]);
  expect(has("10.1.2.0")).toBe(false);
  expect(has("10.1.8.1")).toBe(true);
  expect(has("10.1.0.1")).toBe(true);
  networks.delete(second);
  networks.delete(second);
  expect(has("10.1.0.1")).toBe(false);
  expect(has("10.1.8.1")).toBe(true);
});
