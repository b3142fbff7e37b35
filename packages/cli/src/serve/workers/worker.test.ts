import { EventEmitter } from "node:events";
import type { GatewayOptions } from "@tensorgate/gateway";
import { expect, test } from "vitest";
import type { Service } from "../../service/service.ts";
import type { WorkerCommand } from "./messages.ts";
import { thisWorker } from "./worker.ts";

const configurationOf = (region: string): GatewayOptions => ({ region, pools: [] });

function secondOfTwo() {
  const host = Object.assign(new EventEmitter(), {
    env: { TENSORGATE_WORKER: "2/2" },
    send: () => true,
  });
  const worker = thisWorker(host as unknown as NodeJS.Process);
  if (!worker) throw new Error("no worker");
  const service = worker.serviceOf({
    stopped: new Promise(() => {}),
    onHangup: () => {},
  } as unknown as Service);
  const tell = (command: WorkerCommand) => host.emit("message", command);
  return { worker, service, tell };
}

test("a process that no other has started as a worker is none", () => {
  const host = Object.assign(new EventEmitter(), { env: {}, send: () => true });

  expect(thisWorker(host as unknown as NodeJS.Process)).toBeUndefined();
});

test("a worker starts with the configuration in force, and applies each further one", async () => {
  const { worker, service, tell } = secondOfTwo();
  tell({ type: "configuration", options: configurationOf("a") });
  expect(await worker.configured).toEqual(configurationOf("a"));
  const applied: (string | undefined)[] = [];

  service.onHangup(() => applied.push(worker.inForce().region));
  expect(applied).toEqual([]);
  tell({ type: "configuration", options: configurationOf("b") });
  tell({ type: "configuration", options: configurationOf("b") });

  // The same configuration may name files with other certificates.
  expect(applied).toEqual(["b", "b"]);
});

test("a reload while a worker starts is applied when it serves", async () => {
  const { worker, service, tell } = secondOfTwo();
  tell({ type: "configuration", options: configurationOf("a") });
  tell({ type: "configuration", options: configurationOf("b") });
  tell({ type: "configuration", options: configurationOf("c") });
  expect(await worker.configured).toEqual(configurationOf("a"));
  const applied: (string | undefined)[] = [];

  service.onHangup(() => applied.push(worker.inForce().region));

  expect(applied).toEqual(["c"]);
});

test("a worker stops when it is asked to, and when the first process is gone", async () => {
  const asked = secondOfTwo();
  asked.tell({ type: "stop", signal: "SIGINT" });
  expect(await asked.service.stopped).toBe("SIGINT");
});
