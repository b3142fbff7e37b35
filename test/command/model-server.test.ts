import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tensorgate } from "../support/command-process.ts";
import { freePort } from "../support/nginx.ts";
import { writeServingModels } from "../support/serving-models.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorgate-model-server-"));
writeServingModels(folder);
afterAll(() => rmSync(folder, { recursive: true }));

const configOf = (...models: readonly string[]) =>
  `model_config_list {${models.map((name) => `config { name: "${name}" base_path: "${join(folder, name)}" }`).join(" ")}}`;

/** `tensorgate model-server` as `tensorflow_model_server` is started. */
async function startModelServer(flags: readonly string[]) {
  const restPort = await freePort();
  const ports = ["--port=0", `--rest_api_port=${restPort}`];
  const { child, said } = tensorgate(["model-server", ...ports, ...flags]);
  await said.matching(new RegExp(`ready: gRPC at 127.0.0.1:\\d+, REST at 127.0.0.1:${restPort}`));
  return {
    child,
    said,
    status: async (model: string) =>
      (await fetch(`http://127.0.0.1:${restPort}/v1/models/${model}`)).text(),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

test("a file of models is reloaded by SIGHUP, and a wrong one changes nothing", async () => {
  const file = join(folder, "models.config");
  writeFileSync(file, configOf("half_plus_two"));
  await using server = await startModelServer([`--model_config_file=${file}`]);
  expect(await server.status("half_plus_two")).toContain('"AVAILABLE"');

  writeFileSync(file, configOf("half_plus_two", "half_plus_three"));
  server.child.kill("SIGHUP");
  await server.said.matching(/models reloaded from .*: half_plus_two, half_plus_three/);
  expect(await server.status("half_plus_three")).toContain('"AVAILABLE"');

  writeFileSync(file, "model_config_list {");
  server.child.kill("SIGHUP");
  await server.said.matching(
    /rejected, keeping the previous ones: .*line 1, column 20: expected a field/,
  );
  expect(await server.status("half_plus_three")).toContain('"AVAILABLE"');
});

test("a changed file, and a new version in a folder, are noticed", async () => {
  const file = join(folder, "watched.config");
  writeFileSync(file, configOf("multi"));
  await using server = await startModelServer([
    `--model_config_file=${file}`,
    "--model_config_file_poll_wait_seconds=1",
    "--allow_version_labels_for_unavailable_models",
  ]);

  renameSync(join(folder, "half_plus_two_1", "1"), join(folder, "multi", "2"));
  await server.said.matching(/loaded multi, version 2/);
  writeFileSync(file, configOf("half_plus_three"));
  await server.said.matching(/models reloaded from .*: half_plus_three/);

  expect(await server.status("multi")).toMatch(/"END"[\s\S]*"END"/);
});

test("a file that cannot be used ends the command with its line", async () => {
  const file = join(folder, "bad.config");
  writeFileSync(file, "improperly formatted file");
  const { child, said } = tensorgate(["model-server", "--port=0", `--model_config_file=${file}`]);

  const [code] = await once(child, "exit");

  expect(code).toBe(1);
  expect(said.text()).toContain("bad.config: line 1, column 1: ");
});
