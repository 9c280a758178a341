import { expect, test } from "bun:test";
import { formatAttributesPage } from "../../../docs/generate-attributes.ts";

test("docs/attributes.md is what docs/generate-attributes.ts makes of the table", async () => {
  const page = await Bun.file(new URL("../../../docs/attributes.md", import.meta.url)).text();
  expect(page === formatAttributesPage(), "run: bun docs/generate-attributes.ts").toBe(true);
});
