import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { type CommandProcess, tensorgate } from "../support/command-process.ts";
import { startFakeReplica } from "../support/fake-replica.ts";
import { freePort, nginxProgram, startNginx } from "../support/nginx.ts";
import { samplePicture } from "../support/pictures.ts";
import { shapesModel } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

/** How long nginx leaves a server alone that refused a connection, in milliseconds, and a little more. */
const failTimeoutMs = 10_500;

const star = samplePicture("star");

/** Calls through the proxy, some at the same time, until it is told to stop. */
function startLoad(url: string, callerCount: number) {
  const agent = new http.Agent({ keepAlive: true });
  const outcomes = new Map<string, number>();
  let isOver = false;
  const call = () =>
    new Promise<string>((resolve) => {
      const request = http.request(`${url}/v1/classify/shapes`, { method: "POST", agent });
      request.on("response", (response) => {
        response.resume();
        response.once("close", () => resolve(String(response.statusCode)));
      });
      request.once("error", (error) => resolve(error.message));
      request.end(star);
    });
  const callers = Array.from({ length: callerCount }, async (_, index) => {
    while (!isOver) {
      const outcome = await call();
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      // Bursts, so that connections of the proxy are idle and used again.
      await sleep((index * 7) % 40);
    }
  });
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(callers);
      agent.destroy();
      return outcomes;
    },
  };
}

test.skipIf(nginxProgram === undefined)(
  "two gateways behind nginx are restarted by SIGTERM, one after the other, and no call is lost (skipped without nginx)",
  { timeout: 180_000 },
  async () => {
    await using replica = await startFakeReplica({ answer: shapesOutputs });
    const folder = mkdtempSync(join(tmpdir(), "tensorgate-rolling-"));
    const file = join(folder, "tensorgate.yaml");
    writeFileSync(
      file,
      stringify({
        region: "westeurope",
        models: [shapesModel()],
        pools: [{ model: "shapes", region: "westeurope", replicas: [replica.address] }],
        // What nginx sends as Host unless it is told otherwise.
        crossSite: { hosts: ["gateways"] },
        listen: { maxConnectionsPerAddress: 4_096, drainDelayMs: 2_000 },
      }),
    );
    const ports = [await freePort(), await freePort()];
    const start = async (port: number): Promise<CommandProcess> => {
      const args = ["serve", "--config", file, "--port", String(port), "--admin-port", "0"];
      const started = tensorgate([...args, "--no-watch"], {
        ...process.env,
        TENSORGATE_LOG_LEVEL: "error",
      });
      await started.said.matching(/ready: /);
      return started;
    };
    const gateways = await Promise.all(ports.map(start));
    await using _gateways = {
      [Symbol.asyncDispose]: async () => {
        for (const { child } of gateways) child.kill("SIGKILL");
        rmSync(folder, { recursive: true });
      },
    };
    await using nginx = await startNginx(nginxProgram as string, ports);
    await expect
      .poll(async () => (await fetch(`${nginx.url}/readyz`)).status, { timeout: 20_000 })
      .toBe(200);
    const load = startLoad(nginx.url, 16);
    try {
      await sleep(1_000);
      for (const [index, port] of ports.entries()) {
        const { child } = gateways[index] as CommandProcess;
        const exited = once(child, "exit");
        child.kill("SIGTERM");
        expect((await exited)[0]).toBe(0);
        gateways[index] = await start(port);
        await sleep(failTimeoutMs);
      }
    } finally {
      const outcomes = await load.stop();
      expect(Object.fromEntries(outcomes), nginx.errors()).toEqual({ 200: expect.any(Number) });
      expect(outcomes.get("200")).toBeGreaterThan(1_000);
    }
  },
);
