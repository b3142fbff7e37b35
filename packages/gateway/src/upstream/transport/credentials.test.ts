import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { SettingError } from "@tensorgate/core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createCredentials } from "./credentials.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-credentials-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test("certificates are checked even where the environment says not to", () => {
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");

  const { tls } = createCredentials({ tls: {} }, "pools[0]").read();

  vi.unstubAllEnvs();
  expect(tls).toMatchObject({ rejectUnauthorized: true, ALPNProtocols: ["h2"] });
});

test("a certificate that is no PEM is reported with its place", () => {
  const bad = fileWith("bad.pem", "nonsense");
  const held = createCredentials({ tls: { cert: bad, key: bad } }, "pools[2]");

  expect(() => held.read()).toThrow(SettingError);
  expect(() => held.read()).toThrow(/^pools\[2\]\.tls: /);
});

test.each([
  { key: { env: "KEY" }, headers: { authorization: "Bearer secret" } },
  { key: { env: "KEY", header: "x-api-key" }, headers: { "x-api-key": "secret" } },
])("$key becomes $headers", ({ key, headers }) => {
  expect(createCredentials({ key }, "pools[0]", { KEY: " secret\n" }).read().headers).toEqual(
    headers,
  );
});

test("a key file is read again each time", () => {
  const file = fileWith("key.txt", "first");
  const held = createCredentials({ key: { file } }, "pools[0]");
  const before = held.read().headers;
  writeFileSync(file, "second");

  expect([before, held.read().headers]).toEqual([
    { authorization: "Bearer first" },
    { authorization: "Bearer second" },
  ]);
});

test("the key shows neither when inspected nor in an error", () => {
  const env = { KEY: "top secret" };
  const held = createCredentials({ key: { env: "KEY" } }, "pools[0]", env);
  let error: unknown;
  try {
    held.read();
  } catch (thrown) {
    error = thrown;
  }

  expect(error).toBeInstanceOf(SettingError);
  expect(inspect([held, error], { depth: 10, showHidden: true })).not.toContain("top secret");
});
