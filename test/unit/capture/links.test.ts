import { describe, expect, test } from "bun:test";
import { type Link, type Relations, relationsAmong } from "../../../src/capture/links.ts";
import { makeLink } from "./make-link.ts";

function relate(...links: readonly Link[]): readonly Relations[] {
  return links.map(relationsAmong(links));
}

describe("relationsAmong", () => {
  test("relates a VLAN, the device below it, and the bridge that this is a port of", () => {
    const related = relate(
      makeLink(1, { master: 3, masterKind: "bridge" }),
      makeLink(2, { kind: "vlan", parent: 1 }),
      makeLink(3, { kind: "bridge" }),
    );
    expect(related.map(({ sameSide }) => sameSide)).toEqual([[3, 2], [1], [1]]);
  });

  test("relates the ends of a veth pair of one namespace, on opposite sides", () => {
    const [one, other, far] = relate(
      makeLink(1, { kind: "veth", parent: 2 }),
      makeLink(2, { kind: "veth", parent: 1 }),
      makeLink(3, { kind: "veth", parent: 1, isParentHere: false }),
    );
    expect(one).toEqual({ sameSide: [], oppositeSide: 2 });
    expect(other).toEqual({ sameSide: [], oppositeSide: 1 });
    expect(far).toEqual({ sameSide: [], oppositeSide: 0 });
  });

  test("climbs through every level, nearest first, and stops at eight", () => {
    const stack = Array.from({ length: 12 }, (_, at) =>
      makeLink(at + 1, at === 0 ? {} : { kind: "vlan", parent: at }),
    );
    expect(relate(...stack)[0]?.sameSide).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(relate(...stack)[11]?.sameSide).toEqual([11, 10, 9, 8, 7, 6, 5, 4]);
  });

  test("ends where devices stand on each other in a circle", () => {
    const related = relate(
      makeLink(1, { kind: "vlan", parent: 2 }),
      makeLink(2, { kind: "vlan", parent: 1 }),
    );
    expect(related.map(({ sameSide }) => sameSide.toSorted())).toEqual([[2], [1]]);
  });

  test("relates thousands of ports to their bridge", () => {
    const ports = Array.from({ length: 5000 }, (_, at) => makeLink(at + 2, { master: 1 }));
    const related = relate(makeLink(1, { kind: "bridge" }), ...ports);
    expect(related.at(-1)?.sameSide).toEqual([1]);
  });
});
