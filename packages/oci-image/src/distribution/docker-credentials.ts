import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { unlessMissing } from "../files.ts";
import { OciError } from "../oci-error.ts";

/** How a registry knows its caller. */
export type Credentials =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  /** A refresh token of OAuth 2, as `docker login` of cloud registries leaves it. */
  | { readonly kind: "identity-token"; readonly token: string };

/** Finds the credentials of a host; undefined if there are none. */
export type FindCredentials = (host: string) => Promise<Credentials | undefined>;

export interface DockerCredentialsDeps {
  readonly env: NodeJS.ProcessEnv;
  /** Runs `docker-credential-<helper> get` with the host as its input, and returns its output. */
  readonly runHelper: (helper: string, host: string) => Promise<string>;
}

/** Hosts under which Docker keeps the credentials of Docker Hub. */
const dockerHub = "https://index.docker.io/v1/";

const entry = z.object({
  auth: z.string().optional(),
  identitytoken: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
});

const configSchema = z.object({
  auths: z.record(z.string(), entry).default({}),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).default({}),
});

const helperAnswer = z.object({ Username: z.string(), Secret: z.string() });

/**
 * Creates the lookup of credentials in Docker's configuration (`DOCKER_CONFIG`, or `~/.docker/config.json`) and its
 * credential helpers, where `docker login`, `az acr login` and others leave them.
 */
export function createDockerCredentials({
  env,
  runHelper,
}: DockerCredentialsDeps): FindCredentials {
  const file = join(env["DOCKER_CONFIG"] || join(homedir(), ".docker"), "config.json");
  return async (host) => {
    const text = await readFile(file, "utf8").catch(unlessMissing(undefined));
    if (text === undefined) return undefined;
    const { auths, credHelpers, credsStore } = parsedConfig(file, text);
    const keys = keysOf(host);
    const helper = keys.map((key) => credHelpers[key]).find(Boolean) ?? credsStore;
    if (helper !== undefined) {
      const found = await fromHelper(helper, keys[0] ?? host, runHelper);
      if (found) return found;
    }
    const known = keys.map((key) => auths[key]).find(Boolean);
    return known && fromEntry(known, file, host);
  };
}

function keysOf(host: string): readonly string[] {
  const isHub = /^(registry-1\.|index\.)?docker\.io$/.test(host);
  return [...(isHub ? [dockerHub] : []), host, `https://${host}`, `https://${host}/v1/`];
}

function parsedConfig(file: string, text: string): z.infer<typeof configSchema> {
  try {
    return configSchema.parse(JSON.parse(text));
  } catch (cause) {
    // The cause would show what the file holds.
    const reason = cause instanceof SyntaxError ? "is not valid JSON" : "is not Docker's";
    throw new OciError("file", `${file} ${reason}`);
  }
}

function fromEntry(
  { auth, identitytoken, username, password }: z.infer<typeof entry>,
  file: string,
  host: string,
): Credentials | undefined {
  if (identitytoken) return { kind: "identity-token", token: identitytoken };
  if (username !== undefined && password !== undefined) {
    return { kind: "password", user: username, password };
  }
  if (!auth) return undefined;
  const decoded = Buffer.from(auth, "base64").toString("utf8");
  const at = decoded.indexOf(":");
  if (at < 1) throw new OciError("file", `${file} has no user and password for ${host}`);
  return {
    kind: "password",
    user: decoded.slice(0, at),
    password: decoded.slice(at + 1).replace(/\0+$/, ""),
  };
}

async function fromHelper(
  helper: string,
  host: string,
  runHelper: DockerCredentialsDeps["runHelper"],
): Promise<Credentials | undefined> {
  let output: string;
  try {
    output = await runHelper(helper, host);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // The helpers' own text for a host that they do not know.
    if (/credentials not found/i.test(reason)) return undefined;
    throw new OciError("remote", `docker-credential-${helper} failed for ${host}: ${reason}`);
  }
  let answer: z.infer<typeof helperAnswer>;
  try {
    answer = helperAnswer.parse(JSON.parse(output));
  } catch {
    throw new OciError("remote", `docker-credential-${helper} gave no credentials for ${host}`);
  }
  const { Username: user, Secret: password } = answer;
  if (user === "<token>") return { kind: "identity-token", token: password };
  return { kind: "password", user, password };
}

/** @see https://github.com/docker/docker-credential-helpers, "Development" */
export function runDockerHelper(helper: string, host: string): Promise<string> {
  if (!/^[\w.-]+$/.test(helper)) throw new Error(`invalid name of a credential helper "${helper}"`);
  return new Promise((resolve, reject) => {
    const child = execFile(
      `docker-credential-${helper}`,
      ["get"],
      { timeout: 30_000, maxBuffer: 1 << 20 },
      // What a helper prints when it fails is its reason; it has no secret then.
      (error, stdout) =>
        error ? reject(new Error(stdout.trim() || error.message)) : resolve(stdout),
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(host);
  });
}
