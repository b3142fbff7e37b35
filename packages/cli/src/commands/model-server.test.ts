import { Command } from "commander";
import { expect, test } from "vitest";
import { createSignals } from "../service/signals.ts";
import { deviceFrom, faultsFrom, type ModelServerCommandOptions } from "./model-server.ts";
import { addModelServerFlags } from "./model-server-flags.ts";

/** @throws CommanderError as the command would */
function parsed(...args: readonly string[]): ModelServerCommandOptions {
  const quiet = { writeErr: () => {} };
  const signals = createSignals();
  signals.release();
  const command = addModelServerFlags(new Command().exitOverride().configureOutput(quiet), signals);
  command.action(() => {});
  return command.parse([...args], { from: "user" }).opts();
}

test.each([
  { args: [], device: { kind: "shared" } },
  { args: ["--device", "exclusive"], device: { kind: "exclusive" } },
  {
    args: ["--device", "exclusive", "--model", "a", "--reconfigure-ms", "50"],
    device: { kind: "exclusive", startWith: "a", reconfigureMs: 50 },
  },
  {
    args: ["--device", "exclusive", "--no-model", "--during-swap", "unavailable"],
    device: { kind: "exclusive", startWith: false, duringSwap: "unavailable" },
  },
])("$args is $device", ({ args, device }) => {
  expect(deviceFrom(parsed(...args))).toEqual(device);
});

test.each([["--no-model"], ["--model", "a"], ["--reconfigure-ms", "1"]])(
  "%s is for an exclusive device",
  (...args) => {
    expect(() => deviceFrom(parsed(...args))).toThrow("require --device exclusive");
  },
);

test("without flags nothing goes wrong", () => {
  expect(faultsFrom(parsed())).toEqual({ seed: 1, requests: [], failLoads: 0, stickLoads: 0 });
});

test("faults add up", () => {
  const flags = "--fault delay=200 --fault error=UNAVAILABLE --fault fail-load --fault drop";

  expect(faultsFrom(parsed(...flags.split(" "), "--fault-share", "0.1"))).toEqual({
    seed: 1,
    failLoads: 1,
    stickLoads: 0,
    requests: [
      { fault: { kind: "delay", delayMs: 200 }, share: 0.1 },
      { fault: { kind: "error", code: 14 }, share: 0.1 },
      { fault: { kind: "drop" }, share: 0.1 },
    ],
  });
});

test.each(["delay", "delay=x", "error=OK", "error=NO", "explode"])("%s is no fault", (fault) => {
  expect(() => parsed("--fault", fault)).toThrow();
});

test("flags of TensorFlow Serving are read as it spells them", () => {
  const flags =
    "--rest_api_port=8501 --rest_api_enable_cors_support --file_system_poll_wait_seconds=2 --allow_version_labels_for_unavailable_models=false";

  expect(parsed(...flags.split(" "))).toMatchObject({
    rest_api_port: 8_501,
    rest_api_enable_cors_support: true,
    rest_api_timeout_in_ms: 30_000,
    file_system_poll_wait_seconds: 2_000,
    model_config_file_poll_wait_seconds: 0,
    allow_version_labels_for_unavailable_models: false,
  });
});

test.each(["--rest_api_enable_cors_support=maybe", "--file_system_poll_wait_seconds=-1"])(
  "%s is no such flag",
  (flag) => {
    expect(() => parsed(flag)).toThrow();
  },
);

test("the old name of --concurrency is accepted", () => {
  expect(parsed("--concurrency", "2").concurrency).toBe(2);
  expect(parsed("--lanes", "2").lanes).toBe(2);
});
