import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, seededRandom } from "@tensorgate/core";
import type { ModelOptions } from "@tensorgate/gateway";
import { type Head, headText, referencePicture, teach } from "@tensorgate/teaching";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rolloutRoutes } from "../../packages/cli/src/rollout/rollout-routes.ts";
import {
  type AdminServer,
  startAdminServer,
} from "../../packages/cli/src/telemetry/admin-server.ts";
import { runInProcess } from "../support/in-process-command.ts";
import {
  type RunningGateway,
  shapesModel,
  startShapesGateway,
} from "../support/running-gateway.ts";
import { drawnSymbol } from "../support/unseen-symbols.ts";

const names = ["hash", "hourglass", "ring"];
const pictures: Uint8Array<ArrayBuffer>[] = [];
let running: RunningGateway;
let admin: AdminServer;

beforeAll(async () => {
  running = await startShapesGateway({ rollouts: { intervalMs: 100 } });
  admin = await startAdminServer(
    { host: "127.0.0.1", port: 0 },
    rolloutRoutes(running.gateway.rollouts, () => {}),
  );
  const random = seededRandom(1);
  const [good, bad] = [await taught(random, "right"), await taught(random, "wrong")];
  const permuted = { ...good, classes: ["ring", "hash", "hourglass"] };
  const replicas = running.gateway
    .status()
    .regions.flatMap(({ pools }) => pools.flatMap((pool) => pool.replicas))
    .map(({ address }) => address ?? "");
  const versions = [good, { ...good }, bad, permuted].map((head, at) => ({
    version: at + 1,
    document: headText(head),
  }));
  const symbols: ModelOptions = { name: "symbols", head: { of: "shapes", versions } };
  running.gateway.reload({
    region: "westeurope",
    listen: { port: 0 },
    models: [shapesModel(), symbols],
    pools: [{ model: "shapes", region: "westeurope", replicas }],
  });
  for (const name of [...names, ...names]) {
    pictures.push(new Uint8Array(await drawnSymbol(name, random)));
  }
});
afterAll(async () => {
  await admin.close();
  await running[Symbol.asyncDispose]();
});

async function features(body: Uint8Array<ArrayBuffer>): Promise<Float32Array> {
  const response = await fetch(`${running.url}/v1/embed/shapes`, { method: "POST", body });
  const { results } = (await response.json()) as { results: [{ features: number[] }] };
  return Float32Array.from(results[0].features);
}

/** A head that was taught well, or on pictures with drawn labels. */
async function taught(random: Random, labels: "right" | "wrong"): Promise<Head> {
  const examples = [];
  for (const [own, name] of names.entries()) {
    for (let at = 0; at < 6; at += 1) {
      const classIndex = labels === "right" ? own : (own + at) % names.length;
      const picture = new Uint8Array(await drawnSymbol(name, random));
      examples.push({ id: `${name} ${at}`, classIndex, features: await features(picture) });
    }
  }
  const reference = await features(referencePicture());
  return {
    ...teach(examples, { classes: names }).head,
    backbone: { model: "shapes", version: "1", reference },
  };
}

async function ask(query = ""): Promise<{ readonly version: string; readonly hasFailed: boolean }> {
  const body = pictures[Math.floor(asked) % pictures.length] ?? new Uint8Array();
  asked += 1;
  const response = await fetch(`${running.url}/v1/classify/symbols${query}`, {
    method: "POST",
    body,
  });
  const { model } = (await response.json()) as { model?: { version: string } };
  return { version: model?.version ?? "", hasFailed: response.status !== 200 };
}
let asked = 0;

const command = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await runInProcess([...args, "--admin-url", admin.url]);
  return { code, text: `${stdout}${stderr}` };
};

/** Calls until no rollout is under way, ten at a time. */
async function callsUntilOver(most: number) {
  let [calls, failed] = [0, 0];
  while (calls < most && running.gateway.rollouts.list()[0]?.running) {
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask()));
    calls += answers.length;
    failed += answers.filter(({ hasFailed }) => hasFailed).length;
  }
  return { calls, failed };
}

test.each([
  { version: "3", what: "that was taught badly" },
  { version: "4", what: "with permuted labels" },
])(
  "a version $what is aborted by its top-1 agreement within 500 calls, and none fails",
  async ({ version }) => {
    const started = await command(
      ...["rollout", "start", "symbols", "--from", "1", "--to", version, "--steps", "5,25,50,100"],
      ...[
        "--every",
        "10m",
        "--abort-if",
        "failures>1%",
        "--abort-if",
        "top1<0.98",
        "--shadow",
        "0.5",
      ],
    );
    expect(started).toEqual({
      code: 0,
      text: expect.stringMatching(/^symbols: version 1 95 %, version 3 5 %|version 4 5 %/),
    });
    const { calls, failed } = await callsUntilOver(500);
    expect(failed).toBe(0);
    expect(calls).toBeLessThan(500);
    const { text } = await command("rollout", "status", "symbols");
    expect(text).toMatch(/symbols: version 1 100 %/);
    expect(text).toMatch(/aborted: top1<98% holds: [\d.]+ % of \d+/);
    for (let call = 0; call < 10; call += 1) expect((await ask()).version).toBe("1");
  },
);

test("a version that answers the same gets all calls, and undo takes it back", async () => {
  await command(
    ...["rollout", "start", "symbols", "--to", "2", "--steps", "20,100", "--every", "500ms"],
    ...["--abort-if", "top1<0.98", "--sticky", "session"],
  );
  const { failed } = await callsUntilOver(100_000);
  expect(failed).toBe(0);
  expect((await command("rollout", "status")).text).toMatch(/completed: version 2 gets all calls/);
  expect((await ask()).version).toBe("2");
  expect((await ask("?versionLabel=stable")).version).toBe("2");
  expect((await command("rollout", "undo", "symbols")).text).toMatch(/undone: version 1 gets all/);
  expect((await ask()).version).toBe("1");
  expect((await ask("?version=3")).version).toBe("3");
});

test("a shadow compares after the answer, and says where it differs most", async () => {
  expect(await command("shadow", "symbols", "--version", "4", "--share", "1")).toMatchObject({
    code: 0,
  });
  for (let call = 0; call < 12; call += 1) expect((await ask()).version).toBe("1");
  await expect
    .poll(() => running.gateway.rollouts.list()[0]?.shadow?.compared ?? 0, { timeout: 5_000 })
    .toBeGreaterThan(5);
  const { text } = await command("shadow", "symbols");
  expect(text).toMatch(/shadow: version 4, 100 % of the calls; \d+ compared, 0 failed/);
  expect(text).toMatch(/top-1 agreement 0 %, .* score distance [01]\.\d+/);
  expect(text).toMatch(/worst: hash [\d.]+ \| ring [\d.]+ \(request [0-9a-f]{8}\)/);
  expect((await command("shadow", "symbols", "--stop")).text).not.toContain("shadow:");
});

test("the worst pairs are written as a page, with their pictures if these were kept", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-worst-"));
  const file = join(folder, "worst.html");
  const comparedCount = () => running.gateway.rollouts.list()[0]?.shadow?.compared ?? 0;
  const pageOf = async (...flags: readonly string[]) => {
    await command("shadow", "symbols", "--version", "4", "--share", "1", ...flags);
    for (let call = 0; call < 6; call += 1) await ask();
    await expect.poll(comparedCount, { timeout: 5_000 }).toBeGreaterThan(3);
    expect(await command("shadow", "symbols", "--page", file)).toMatchObject({ code: 0 });
    return readFileSync(file, "utf8");
  };
  try {
    const kept = await pageOf("--keep-pictures");
    const [, base64 = ""] = /src="data:image\/\*;base64,([^"]+)"/.exec(kept) ?? [];
    expect(pictures.map((each) => Buffer.from(each).toString("base64"))).toContain(base64);
    expect(kept).toMatch(/<td>hash [\d.]+<\/td><td>ring [\d.]+<\/td>/);

    const without = await pageOf();
    expect(without).toContain("not kept");
    expect(without).not.toContain("data:image");

    await command("shadow", "symbols", "--stop");
    const { code, text } = await command("shadow", "symbols", "--page", file);
    expect([code, text]).toEqual([1, expect.stringContaining("symbols has no shadow")]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  {
    args: ["rollout", "start", "symbols", "--to", "9"],
    says: /no replica has version 9 of symbols/,
  },
  { args: ["rollout", "start", "nothing", "--to", "1"], says: /unknown model "nothing"/ },
  { args: ["rollout", "start", "symbols", "--to", "2", "--steps", "50,10"], says: /ascending/ },
  { args: ["rollout", "promote", "symbols"], says: /no rollout is under way/ },
  { args: ["rollout", "status", "nothing"], says: /nothing has no rollout; start one/ },
])("$args is refused, and says why", async ({ args, says }) => {
  const { code, text } = await command(...args);
  expect(code).toBe(1);
  expect(text).toMatch(says);
});
