import { expect, test } from "vitest";
import { startModelServer } from "./model-server.ts";
import type { ModelServerOptions } from "./model-server-options.ts";

const counter = { port: 0, models: { counter: true } } as const;

test.each<{ readonly options: ModelServerOptions; readonly warnings: readonly string[] }>([
  { options: { ...counter, concurrency: 2 }, warnings: [] },
  {
    options: { ...counter, lanes: 2 },
    warnings: ["lanes is called concurrency now: rename it"],
  },
])("a server with $options warns $warnings", async ({ options, warnings }) => {
  const lines: string[] = [];
  const server = await startModelServer({ ...options, onWarning: (line) => void lines.push(line) });
  await server.close(0);

  expect(lines).toEqual(warnings);
});

test.each([{ concurrency: 0 }, { lanes: 0 }])("%j is no concurrency", async (options) => {
  await expect(startModelServer({ ...counter, ...options })).rejects.toThrow(
    "concurrency must be 1 or more, got 0",
  );
});
