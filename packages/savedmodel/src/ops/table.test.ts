import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { refusedOps } from "./refusals.ts";
import { opTable } from "./table.ts";

test("the page lists every operator that has a conversion", () => {
  const page = readFileSync(new URL("../../../../docs/conversion.md", import.meta.url), "utf8");
  const [, section = ""] = /^## Operators$([\s\S]*?)^## /m.exec(page) ?? [];
  const listed = [...section.matchAll(/`(\w+)`/g)].map(([, op]) => op);
  const refused = new Set(refusedOps.map(([op]) => op));

  expect(listed).toEqual([...opTable.keys()].filter((op) => !refused.has(op)).toSorted());
});
