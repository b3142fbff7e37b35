import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tensorgate } from "../support/command-process.ts";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const pretty = { ...process.env, TENSORGATE_LOG_FORMAT: "pretty" };

/** A configuration that is read only when the test writes it: a process is held at that moment of its start. */
function heldConfig(address: string) {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-signals-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "tensorgate.yaml");
  execFileSync("mkfifo", [file]);
  const text = [
    "listen: { drainDelayMs: 0 }",
    "models: [{ name: m, input: { tensor: images, kind: encoded-image }, output: { scores: { holds: probabilities } } }]",
    `pools: [{ model: m, region: local, replicas: ["${address}"] }]`,
  ].join("\n");
  return {
    file,
    /** Resolves when a process has begun to read it. */
    beingRead: () => open(file, "w"),
    /** From now on, a process reads it without being held. */
    release: () => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    },
    give: async (handle: FileHandle) => {
      await handle.write(text);
      await handle.close();
    },
  };
}

/** The command in its own process, which does not outlive the test. */
function started(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const command = tensorgate(args, { ...pretty, ...env });
  onTestFinished(() => void command.child.kill("SIGKILL"));
  return command;
}

const ports = ["--port", "0", "--admin-port", "0"];

test("SIGHUP before the configuration is read makes a gateway read it again, and ends nothing", async () => {
  await using replica = await startFakeReplica({ answer: shapesOutputs });
  const config = heldConfig(replica.address);
  const args = ["serve", "--config", config.file, "--no-watch", ...ports];
  const { child, said } = started(args);
  const ended = once(child, "exit");
  const first = await config.beingRead();

  for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const) child.kill(signal);
  config.release();
  await config.give(first);

  const [, url] = await said.matching(/ready: (http:\S+)/);
  await said.matching(/reloaded from \S*tensorgate\.yaml/);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
}, 30_000);

test("no signal cuts the calls of a gateway that drains", async () => {
  await using replica = await startFakeReplica();
  const config = heldConfig(replica.address);
  const { child, said } = started(["serve", "--config", config.file, "--no-watch", ...ports]);
  const ended = once(child, "exit");
  await config.give(await config.beingRead());
  const [, url] = await said.matching(/ready: (http:\S+)/);
  const body = samplePicture("star");
  const answer = fetch(`${url}/v1/classify/m`, { method: "POST", body });
  const predict = await replica.nextPredict();

  child.kill("SIGTERM");
  await said.matching(/stopping/);
  for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGTERM"] as const) {
    child.kill(signal);
  }
  await said.matching(/ignoring SIGTERM/);
  predict.succeed(shapesOutputs());

  expect((await answer).status).toBe(200);
  expect(await ended).toEqual([0, null]);
}, 30_000);

test("SIGTERM before the configuration is read stops a gateway as soon as it is there", async () => {
  const config = heldConfig("127.0.0.1:9");
  const { child } = started(["serve", "--config", config.file, "--no-watch", ...ports]);
  const ended = once(child, "exit");
  const reading = await config.beingRead();

  child.kill("SIGTERM");
  await config.give(reading);

  expect(await ended).toEqual([0, null]);
}, 30_000);

test("SIGTERM before its model servers listen stops a demo", async () => {
  const { child, said } = started(["demo", "--no-imagenet", ...ports]);
  const ended = once(child, "exit");
  await said.matching(/starting a model server/);

  child.kill("SIGTERM");

  expect(await ended).toEqual([0, null]);
}, 30_000);

/** Makes a process send itself a signal while it loads its modules, when its event loop does not turn. */
const whileLoading = (signal: NodeJS.Signals) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from "node:module";
    registerHooks({
      load: (url, context, next) => {
        if (url.endsWith("/cli/src/run.ts")) process.kill(process.pid, "${signal}");
        return next(url, context);
      },
    });`)}`,
});

test("SIGTERM while a gateway loads its modules stops it", async () => {
  const config = heldConfig("127.0.0.1:9");
  config.release();
  const { child } = started(["serve", "--config", config.file, ...ports], whileLoading("SIGTERM"));

  expect(await once(child, "exit")).toEqual([0, null]);
}, 30_000);

test("SIGHUP while a gateway loads its modules makes it read its configuration again", async () => {
  const config = heldConfig("127.0.0.1:9");
  config.release();
  const args = ["serve", "--config", config.file, "--no-watch", ...ports];
  const { said } = started(args, whileLoading("SIGHUP"));

  await said.matching(/reloaded from \S*tensorgate\.yaml/);
}, 30_000);

test("SIGTERM while a command that only answers loads its modules ends it", async () => {
  const { child } = started(["config", "schema"], whileLoading("SIGTERM"));

  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
}, 30_000);

test("a command that only answers ends by a signal as any program does", async () => {
  const config = heldConfig("127.0.0.1:9");
  const { child } = started(["config", "check", config.file]);
  const ended = once(child, "exit");
  const reading = await config.beingRead();

  child.kill("SIGHUP");

  expect(await ended).toEqual([null, "SIGHUP"]);
  await reading.close();
}, 30_000);

test("a model server without a terminal has nothing to do at SIGHUP", async () => {
  const { child, said } = started(["model-server", "--engine", "none", "--port", "0"]);
  const ended = once(child, "exit");
  await said.matching(/ready: gRPC/);

  child.kill("SIGHUP");
  await said.matching(/ignoring SIGHUP/);
  child.kill("SIGTERM");

  expect(await ended).toEqual([0, null]);
}, 30_000);
