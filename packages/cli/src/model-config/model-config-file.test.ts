import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readModelConfig, type ServedModel } from "@tensorgate/model-server";
import { afterAll, expect, test, vi } from "vitest";
import { createModelConfigReload, readFlagFile } from "./model-config-file.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-model-config-"));
const file = join(folder, "models.config");
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  {
    text: "improperly formatted file",
    error: 'line 1, column 1: tensorflow.serving.ModelServerConfig has no field "improperly"',
  },
  {
    text: 'model_config_list { config { name: "a" base_path: "models" } }',
    error: "Expected model a to have an absolute path or URI; got base_path()=models",
  },
  {
    text: 'model_config_list { config { name: "a" base_path: "/a" model_platform: "caffe" } }',
    error: "Model a requests unsupported platform caffe",
  },
])("a file that cannot be used is told with its name: $error", ({ text, error }) => {
  writeFileSync(file, text);

  expect(() => readFlagFile(file, readModelConfig)).toThrow(`${file}: ${error}`);
});

test("a file that is not there is reported", () => {
  expect(() => readFlagFile(join(folder, "none"), readModelConfig)).toThrow("ENOENT");
});

const listed = (name: string): readonly ServedModel[] => [
  { name, basePath: `/${name}`, versionLabels: new Map([["stable", 1n]]) },
];

function reloading(read: () => readonly ServedModel[]) {
  const lines: string[] = [];
  const server = { reload: vi.fn(async (): Promise<readonly string[]> => []) };
  const log = {
    info: (line: string) => void lines.push(line),
    warn: (line: string) => void lines.push(`warning: ${line}`),
  };
  const reload = createModelConfigReload({ file: "f", read, server, initial: listed("a"), log });
  return { lines, server, reload };
}

test("a file is reloaded when it changed, or when that is asked for", async () => {
  let models = listed("a");
  const { lines, server, reload } = reloading(() => models);

  await reload.ifChanged();
  expect(server.reload).not.toHaveBeenCalled();
  await reload.now();
  models = listed("b");
  await reload.ifChanged();
  await reload.ifChanged();

  expect(server.reload.mock.calls).toEqual([[listed("a")], [listed("b")]]);
  expect(lines).toEqual(["models reloaded from f: a", "models reloaded from f: b"]);
});

test("what cannot be served is reported once, and the file is tried again when it is right", async () => {
  let isWrong = true;
  const { lines, server, reload } = reloading(() => {
    if (isWrong) throw new Error("no such field");
    return listed("a");
  });

  await reload.ifChanged();
  await reload.ifChanged();
  isWrong = false;
  server.reload.mockResolvedValue(["model a cannot be served: gone"]);
  await reload.ifChanged();

  expect(lines).toEqual([
    "warning: models of f rejected, keeping the previous ones: no such field",
    "models reloaded from f: a",
    "warning: model a cannot be served: gone",
  ]);
});
