// Why a guest ended: one line for each way in which it can, from words made by hand.

import { expect, test } from "bun:test";
import { describeEnd, type GuestEnd } from "./console.ts";

const BEGUN = "guest: begins 03-veth\nguest: lives\nguest: begins 04-qinq\n";
const PASSED: GuestEnd = {
  console: `${BEGUN}guest: end of suite\n`,
  complaints: "",
  exitCode: 33,
  signal: null,
};
const CRASH = `${BEGUN}[  9.1] BUG: kernel NULL pointer dereference, address: 0000000000000008
[  9.2] Kernel panic - not syncing: Fatal exception in interrupt
`;

test.each([
  [
    "a panic",
    { console: CRASH, exitCode: 0 },
    "the kernel panicked in 04-qinq: Fatal exception in interrupt",
  ],
  ["what led to it", { console: CRASH, exitCode: 0 }, 'after "BUG: kernel NULL pointer dereference, address'],
  [
    "a guest that had to be ended",
    { console: BEGUN, exitCode: null, signal: "SIGKILL", reason: "nothing heard for 180 s" },
    "nothing heard for 180 s in 04-qinq",
  ],
  [
    "an emulator that was killed",
    { console: "", exitCode: null, signal: "SIGKILL" },
    "qemu was ended by SIGKILL before the first scenario",
  ],
  [
    "an emulator that does not start",
    { console: "", exitCode: 1, complaints: "qemu: warning\nqemu: no kernel\n" },
    "qemu ended with 1 instead of 33 before the first scenario: qemu: no kernel",
  ],
  ["a suite that was left", { console: BEGUN }, "no end of the suite on the console"],
] as const)("describeEnd tells of %s", (_, end, words) => {
  expect(describeEnd({ ...PASSED, ...end })).toContain(words);
});

test("describeEnd has nothing to say of a suite that came to its end", () => {
  expect(describeEnd(PASSED)).toBeUndefined();
});
