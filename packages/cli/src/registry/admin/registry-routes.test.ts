import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestAdmin } from "./testing.ts";

const server = await startTestAdmin();
const { folder, incoming, logged, half: from } = server;
const broken = join(incoming, "broken");

beforeAll(() => {
  mkdirSync(broken);
  writeFileSync(join(broken, "saved_model.pb"), "no graph");
  writeFileSync(join(folder, "secret.onnx"), "");
  symlinkSync(join(folder, "secret.onnx"), join(incoming, "link.onnx"));
});
afterAll(() => server[Symbol.asyncDispose]());

async function call(method: string, path: string, body?: object) {
  const response = await fetch(`${server.url}/registry${path}`, {
    method,
    ...(body && {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type") === "application/json";
  return { status: response.status, body: isJson ? JSON.parse(text) : text };
}

test("a model's life: register, list, alias, tag, convert as a job, delete", async () => {
  const registered = await call("POST", "/models/half/versions", {
    from,
    description: "of a test",
    tags: { team: "vision" },
    aliases: ["newest"],
  });
  expect(registered).toMatchObject({
    status: 201,
    body: { name: "half", version: "1", tags: { team: "vision" }, aliases: ["newest"] },
  });

  expect(await call("POST", "/models/half/aliases/champion", { version: "1" })).toMatchObject({
    status: 200,
    body: { aliases: { champion: "1", newest: "1" } },
  });
  expect(
    await call("POST", "/models/half/versions/champion/tags", {
      tags: { team: null, stage: "test" },
    }),
  ).toMatchObject({ status: 200, body: { tags: { stage: "test" } } });
  expect(await call("POST", "/models/half/tags", { description: "Half." })).toMatchObject({
    body: { description: "Half." },
  });
  expect(await call("GET", "/models")).toMatchObject({
    status: 200,
    body: { models: [{ name: "half", versions: ["1"] }] },
  });
  expect((await call("GET", "/models/half/versions/latest")).body.version).toBe("1");

  const { status, body: job } = await call("POST", "/models/half/versions/1/convert", {});
  expect([status, job.state, job.reference]).toEqual([202, "running", "half@1"]);
  await expect
    .poll(async () => (await call("GET", `/jobs/${job.id}`)).body, { timeout: 30_000 })
    .toMatchObject({ state: "done", result: { nodeCount: expect.any(Number) } });
  expect((await call("GET", `/jobs/${job.id}/log`)).body).toContain("run by ONNX Runtime");
  expect((await call("GET", "/jobs")).body.jobs).toHaveLength(1);
  expect((await call("POST", `/jobs/${job.id}/cancel`, {})).body.state).toBe("done");
  expect(Object.keys((await call("GET", "/models/half/versions/1")).body.forms)).toContain("onnx");
  expect(readFileSync(join(folder, "registry/half/1/model.onnx")).byteLength).toBeGreaterThan(0);

  expect(await call("DELETE", "/models/half/versions/1")).toMatchObject({
    status: 400,
    body: { reason: "failed-precondition", error: expect.stringContaining("champion") },
  });
  for (const alias of ["champion", "newest"]) await call("DELETE", `/models/half/aliases/${alias}`);
  expect(await call("DELETE", "/models/half/versions/1")).toEqual({
    status: 200,
    body: { deleted: "half@1" },
  });
  expect(await call("DELETE", "/models/half")).toMatchObject({ status: 200 });
  expect((await call("GET", "/models")).body).toEqual({ models: [] });
  expect(logged).toContain(`registry: registered half@1 from ${from}`);
}, 60_000);

describe("what is wrong has the reason and the code that it has at the gateway", () => {
  beforeAll(async () => {
    await call("POST", "/models/m/versions", { from });
  });

  test.each<[string, string, object | undefined, number, string, RegExp]>([
    ["GET", "/models/n", undefined, 404, "unknown-model", /no model "n".*did you mean|models: m/],
    ["GET", "/models/m/versions/7", undefined, 404, "unknown-version", /no version 7; versions: 1/],
    ["GET", "/models/m/versions/best", undefined, 404, "unknown-version", /no alias "best"/],
    ["POST", "/models/m/aliases/best", { version: "9" }, 404, "unknown-version", /no version 9/],
    ["POST", "/models/m/aliases/best", { version: "x" }, 400, "invalid-request", /version: "x"/],
    ["POST", "/models/m/aliases/7", { version: "1" }, 400, "invalid-request", /7/],
    ["POST", "/models/a%2Fb/versions", { from }, 400, "invalid-request", /a\/b/],
    ["POST", "/models/m/versions", { form: from }, 400, "invalid-request", /from.*form/],
    ["POST", "/models/m/versions", { from: incoming }, 400, "invalid-request", /is a link to/],
    ["POST", "/models/m/versions", { from: broken }, 400, "invalid-request", /saved_model\.pb/],
    ["POST", "/models/m/versions", { from, version: "1" }, 400, "failed-precondition", /exists/],
    ["POST", "/models/m/versions", { from: "/etc" }, 403, "forbidden", /--register-from/],
    ["POST", "/models/m/versions", { from: `${incoming}/../x` }, 403, "forbidden", /register-from/],
    ["POST", "/models/m/versions", { from: `${incoming}/link.onnx` }, 403, "forbidden", /link/],
    ["POST", "/models/m/versions/7/convert", {}, 404, "unknown-version", /no version 7/],
    ["POST", "/models/m/versions/1/convert", { inputs: "x" }, 400, "invalid-request", /inputs/],
    ["GET", "/jobs/0badcafe", undefined, 404, "unknown-model", /job "?0badcafe/],
    ["DELETE", "/models/m", undefined, 400, "failed-precondition", /m/],
  ])("%s %s %j is %i %s", async (method, path, body, status, reason, says) => {
    const answer = await call(method, path, body);

    expect(answer).toMatchObject({ status, body: { reason } });
    expect(answer.body.error).toMatch(says);
  });

  test("a body that is not JSON, and a page of the web", async () => {
    const url = `${server.url}/registry/models/m/versions`;
    const headers = { "content-type": "application/json" };
    const post = (init: RequestInit) => fetch(url, { method: "POST", ...init });

    expect((await post({ headers, body: "{" })).status).toBe(400);
    expect((await post({ headers: { "content-type": "text/plain" }, body: "{}" })).status).toBe(
      415,
    );
    const page = { ...headers, origin: "https://page.example" };
    expect((await post({ headers: page, body: "{}" })).status).toBe(403);
    expect((await fetch(url, { method: "DELETE" })).status).toBe(405);
  });
});
