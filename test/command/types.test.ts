import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelInfo } from "@tensorgate/client";
import ts from "typescript";
import { expect, test } from "vitest";
import { catalogTypes } from "../../packages/cli/src/commands/types.ts";

const model = (name: string, tasks: readonly string[], labels: readonly string[]): ModelInfo => ({
  name,
  tasks,
  labels,
  task: tasks[0] ?? "",
  versions: ["1"],
  regions: ["eastus"],
  labelCount: labels.length,
  weights: "given",
  input: { kind: "picture" },
});

const text = catalogTypes([
  model("shapes", ["classify", "embed"], ["moon", 'a "star"', "crane", "crane"]),
  model("shapes-2", ["classify"], ["moon", 'a "star"', "crane"]),
  model("1st.model", ["detect"], ["cat"]),
  model("sums", ["predict"], []),
]);

test("models with the same labels share a type, each label once", () => {
  expect(text.match(/export type \w+/g)).toEqual([
    "export type ShapesLabel",
    "export type Model1stModelLabel",
  ]);
  expect(text.match(/crane/g)).toHaveLength(1);
  expect(text).toContain(
    'readonly "sums": {\n    readonly tasks: "predict";\n    readonly labels: string;',
  );
});

test("a client with that catalog compiles under strict, and refuses what is not in it", () => {
  const folder = mkdtempSync(fileURLToPath(new URL("../../.types-", import.meta.url)));
  try {
    writeFileSync(join(folder, "catalog.ts"), text);
    writeFileSync(
      join(folder, "use.ts"),
      `import { ScoringClient } from "@tensorgate/client";
       import type { Catalog } from "./catalog.ts";
       const client = new ScoringClient<Catalog>();
       const [best] = await client.classify("shapes", "a.jpg");
       const label: "moon" | 'a "star"' | "crane" | undefined = best?.label;
       await client.detect("shapes", "a.jpg"); // wrong
       await client.classify("nothing", "a.jpg"); // wrong
       void label;`,
    );
    const program = ts.createProgram([join(folder, "use.ts")], {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      target: ts.ScriptTarget.ESNext,
      lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
      module: ts.ModuleKind.NodeNext,
      customConditions: ["@tensorgate/source"],
      types: ["node"],
    });
    const faults = ts
      .getPreEmitDiagnostics(program, program.getSourceFile(join(folder, "use.ts")))
      .map(({ file, start = 0 }) => file?.text.slice(start).split("\n")[0] ?? "");
    expect(faults).toEqual(['"shapes", "a.jpg"); // wrong', '"nothing", "a.jpg"); // wrong']);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 30_000);
