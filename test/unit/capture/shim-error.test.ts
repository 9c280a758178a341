import { expect, test } from "bun:test";
import { ERRNO, ShimError } from "../../../src/capture/shim-error.ts";

test("ShimError says what failed once, where the shim's text begins with it too", () => {
  expect(new ShimError("Cannot list", ERRNO.busy, "Cannot list: busy").message).toBe("Cannot list: busy");
  expect(new ShimError("Cannot list", ERRNO.busy, "Cannot ask: busy").message).toBe(
    "Cannot list: Cannot ask: busy",
  );
});

test("ShimError gives an errno where there is no text", () => {
  expect(new ShimError("Cannot list", -4, " ").message).toBe("Cannot list: error 4");
});
