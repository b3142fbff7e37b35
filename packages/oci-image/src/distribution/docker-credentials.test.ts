import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../testing.ts";
import { createDockerCredentials } from "./docker-credentials.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** Looks a host up in a configuration, with helpers that know `secret.example` only. */
async function found(config: unknown, host: string) {
  using folder = temporaryFolder();
  const text = typeof config === "string" ? config : JSON.stringify(config);
  writeFileSync(join(folder.path, "config.json"), text);
  const asked: string[] = [];
  const find = createDockerCredentials({
    env: { DOCKER_CONFIG: folder.path },
    runHelper: async (helper, of) => {
      asked.push(`${helper} ${of}`);
      if (of === "token.example") return '{"Username":"<token>","Secret":"refresh"}';
      if (of === "secret.example") return '{"ServerURL":"x","Username":"me","Secret":"s"}';
      if (of === "odd.example") return "what?";
      throw new Error("credentials not found in native keychain");
    },
  });
  return { credentials: await find(host), asked };
}

const password = (user: string, secret: string) => ({
  kind: "password",
  user,
  password: secret,
});

test.each([
  {
    because: "auth has user and password",
    config: { auths: { "r.example": { auth: base64("me:a:b") } } },
    host: "r.example",
    credentials: password("me", "a:b"),
  },
  {
    because: "old entries have a scheme",
    config: { auths: { "https://r.example/v1/": { auth: base64("me:s") } } },
    host: "r.example",
    credentials: password("me", "s"),
  },
  {
    because: "Docker Hub has a name of its own",
    config: { auths: { "https://index.docker.io/v1/": { auth: base64("me:s") } } },
    host: "registry-1.docker.io",
    credentials: password("me", "s"),
  },
  {
    because: "an identity token comes first",
    config: { auths: { "r.example": { auth: base64("me:"), identitytoken: "refresh" } } },
    host: "r.example",
    credentials: { kind: "identity-token", token: "refresh" },
  },
  {
    because: "the helper of the host",
    config: { credHelpers: { "token.example": "acr" }, credsStore: "other" },
    host: "token.example",
    credentials: { kind: "identity-token", token: "refresh" },
    asked: ["acr token.example"],
  },
  {
    because: "the helper of all hosts",
    config: { credsStore: "desktop" },
    host: "secret.example",
    credentials: password("me", "s"),
    asked: ["desktop secret.example"],
  },
  {
    because: "a helper that does not know the host leaves the entries",
    config: { credsStore: "desktop", auths: { "r.example": { auth: base64("me:s") } } },
    host: "r.example",
    credentials: password("me", "s"),
    asked: ["desktop r.example"],
  },
  {
    because: "credentials are of one host only",
    config: { auths: { "r.example": { auth: base64("me:s") } } },
    host: "r.example.evil.example",
    credentials: undefined,
  },
])("$host: $because", async ({ config, host, credentials, asked = [] }) => {
  expect(await found(config, host)).toEqual({ credentials, asked });
});

test("a machine without a configuration has no credentials", async () => {
  const find = createDockerCredentials({
    env: { DOCKER_CONFIG: "/absent" },
    runHelper: () => Promise.reject(new Error("not called")),
  });

  expect(await find("r.example")).toBeUndefined();
});

test.each([
  { config: "{", says: "is not valid JSON" },
  { config: { auths: 1 }, says: "is not Docker's" },
  {
    config: { auths: { "odd.example": { auth: base64("nobody") } } },
    says: "no user and password",
  },
  { config: { credsStore: "x" }, says: "docker-credential-x gave no credentials" },
])("$says is reported without what the file holds", async ({ config, says }) => {
  await expect(found(config, "odd.example")).rejects.toThrow(says);
});
