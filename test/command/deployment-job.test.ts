import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GatewayOptions } from "@tensorgate/gateway";
import { type Job, openJobs, openRegistry, type Registry } from "@tensorgate/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createKey } from "../../packages/cli/src/deploy/service-key.ts";
import { hasOpenssl, testCertificates } from "../support/certificates.ts";
import { startFakeReplica } from "../support/fake-replica.ts";
import { runInProcess } from "../support/in-process-command.ts";
import { startGateway, startShapesGateway } from "../support/running-gateway.ts";
import { type StandIns, standInPrograms } from "../support/stand-in-programs.ts";

const shapes = fileURLToPath(
  new URL("../../packages/model-server/models/shapes/1", import.meta.url),
);
const image = { reference: "registry.example/shapes:1", sha256: "a".repeat(64), byteCount: 1 };
const notFound = { to: "get values", code: 1, stderr: "Error: release: not found" };
const status = { to: "status", stdout: '{"version":4,"info":{"status":"deployed"}}' };

let folder: string;
let programs: StandIns;
let registry: Registry;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-deployments-"));
  programs = standInPrograms(join(folder, "bin"));
  process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
  registry = openRegistry(join(folder, "registry"));
  await registry.register("shapes", { from: shapes });
  await registry.recordUse("shapes@1", { kind: "image", ...image, isPushed: true });
  programs.answer("kubectl", []);
});
afterEach(() => {
  programs[Symbol.dispose]();
  delete process.env["TENSORGATE_REGISTRY"];
  rmSync(folder, { recursive: true });
});

const deploy = (...args: readonly string[]) =>
  runInProcess([
    ...["deploy", "shop", "--models", "shapes@1", "--key-file", join(folder, "shop.key")],
    ...args,
  ]);
const jobs = () => openJobs(registry.directory);
const lastJob = async (): Promise<Job | undefined> => (await jobs().list())[0];

test("a deployment is a job with a state, a user and a log, until its service is deleted", async () => {
  programs.answer("helm", [notFound, status]);

  const { stderr } = await deploy();

  const job = await lastJob();
  expect(job).toMatchObject({
    kind: "deploy",
    reference: "shop",
    state: "done",
    startedBy: expect.stringContaining("@"),
    result: { revision: 4, models: ["shapes@1"] },
  });
  expect(stderr).toMatch(new RegExp(`job ${job?.id} done in \\d+ s, log ${job?.log}\n`));
  const log = (await runInProcess(["job", "log", job?.id ?? ""])).stdout;
  expect(log).toBe(
    [
      "comparing with the cluster",
      "diff: none",
      `key written to ${join(folder, "shop.key")}, readable by you; it is not shown again`,
      "installing",
      "revision 4",
      "done\n",
    ].join("\n"),
  );
  expect(log).not.toContain(readFileSync(join(folder, "shop.key"), "utf8").trim());
  expect((await runInProcess(["job", "list"])).stdout).toMatch(
    /^job .* by\n[0-9a-f]{8} +deploy +shop +done .*@/,
  );

  const values = { models: [{ name: "shapes", version: "1" }] };
  programs.answer("helm", [{ to: "get values", stdout: JSON.stringify(values) }, status]);
  await runInProcess(["rollback", "shop"]);
  expect(await lastJob()).toMatchObject({ kind: "rollback", result: { models: ["shapes@1"] } });

  expect((await runInProcess(["delete", "shop", "--yes"])).code).toBe(0);
  expect(await jobs().list()).toEqual([]);
});

test("a deployment that is refused is a job that failed, and what changes nothing is none", async () => {
  programs.answer("helm", [notFound, { to: "upgrade", code: 1, stderr: "Error: no such chart" }]);

  await deploy("--diff");
  await deploy("--dry-run");
  await deploy("--manifests");
  expect(await jobs().list()).toEqual([]);

  const { code, stderr } = await deploy();
  expect(code).toBe(1);
  const job = await lastJob();
  expect(stderr).toContain(`job ${job?.id} failed, log ${job?.log}\n`);
  expect(job).toMatchObject({
    state: "failed",
    error: "shop is not ready: no such chart\nremoved again",
  });

  programs.answer("helm", [{ to: "status", code: 1, stderr: "Error: release: not found" }]);
  programs.answer("kubectl", [{ to: "get deployments", stdout: '{"items":[]}' }]);
  expect((await runInProcess(["rollback", "other"])).stderr).toContain("not found");
  expect((await runInProcess(["delete", "shop"])).stderr).toContain("give --record-only");
  expect((await runInProcess(["delete", "shop", "--record-only", "--yes"])).code).toBe(0);
  expect(await jobs().list()).toEqual([]);
});

/** Helm that installs until it gets a signal, as it does while pods are not ready. */
const slowHelm = `#!/bin/sh
echo "$@" >> "$(dirname "$0")/helm.txt"
case "$*" in
  "get values"*) echo "Error: release: not found" >&2; exit 1;;
  "upgrade"*) trap 'kill $!; exit 1' TERM; sleep 60 & wait $!;;
esac
`;

test("a deployment is cancelled by another process, and taken back", async () => {
  writeFileSync(join(folder, "bin/helm"), slowHelm);
  chmodSync(join(folder, "bin/helm"), 0o755);

  const deploying = deploy("--wait");
  await expect
    .poll(async () => (await lastJob())?.step, { timeout: 10_000 })
    .toBe("installing, until all pods are ready");
  const second = await deploy();
  const id = (await lastJob())?.id ?? "";
  const cancelled = await jobs().cancel(id);
  const { code, stderr } = await deploying;

  expect(second.stderr).toContain(`job ${id} (deploy shop) is running; wait for it`);
  expect(cancelled.state).toBe("cancelled");
  expect(code).toBe(1);
  expect(stderr).toContain("shop is not ready: the deployment was cancelled\nremoved again\n");
  expect(readFileSync(join(folder, "bin/helm.txt"), "utf8")).toMatch(/\nuninstall shop --wait/);
});

/** Programs of a cluster in which the service is a gateway of this machine. */
function standInCluster(port: number, { isTls }: { readonly isTls: boolean }): void {
  const gateway = { service: { port: 8443 }, tls: { secretName: isTls ? "shop-tls" : "" } };
  const revisions = [
    { revision: 3, status: "superseded" },
    { revision: 4, status: "deployed" },
  ];
  programs.answer("helm", [
    { to: "--all", stdout: JSON.stringify({ gateway }) },
    { to: "get values", stdout: JSON.stringify({ models: [{ name: "shapes", version: "1" }] }) },
    { to: "history", stdout: JSON.stringify(revisions) },
    status,
  ]);
  programs.answer("kubectl", [
    { to: "port-forward", stdout: `Forwarding from 127.0.0.1:${port} -> 8080\n` },
    { to: "get", stdout: '{"items":[]}' },
  ]);
}

const { key, entry } = createKey("shop", ["*"]);
const keys: Partial<GatewayOptions> = { keys: [entry], allowPlaintextKeys: true };

test.skipIf(!hasOpenssl)(
  "a service with TLS is scored at its own port, and called by https",
  async () => {
    using certificates = testCertificates();
    const tls = { cert: certificates.serverCertFile, key: certificates.serverKeyFile };
    await using running = await startShapesGateway({ ...keys, listen: { port: 0, tls } });
    standInCluster(running.gateway.port, { isTls: true });
    writeFileSync(join(folder, "shop.key"), key);

    const { code, stdout, stderr } = await deploy("--wait");

    expect(stderr).toContain("scored a test image: shapes: ");
    expect(stdout).toMatch(/^https:\/\/shop\.default\.svc:8443\n/);
    expect(stdout).toContain("port-forward service/shop 8443:8443");
    expect(code).toBe(0);
    const [forward] = programs.calls().filter(({ args }) => args[0] === "port-forward");
    expect(forward?.args.slice(1, 3)).toEqual(["service/shop", ":8443"]);
  },
);

test("a deployment whose model does not score is taken back, and one whose key is refused is not", async () => {
  // An operator of the graph fails with real pictures, say.
  const answer = () => ({ code: 3, message: "Incompatible shapes: [1,8] vs. [1,9]" });
  await using replica = await startFakeReplica({ answer });
  await using broken = await startGateway({ westeurope: [replica.address] }, keys);
  standInCluster(broken.gateway.port, { isTls: false });
  writeFileSync(join(folder, "shop.key"), key);
  const rollbacks = () => programs.calls().filter(({ args }) => args[0] === "rollback");

  const failed = await deploy("--wait");
  expect(failed.stderr).toContain("shop is not ready: shapes does not score the test image: ");
  expect(failed.stderr).toContain("Incompatible shapes");
  expect(failed.stderr).toMatch(/rolled back to revision 3\n$/);
  expect(failed.code).toBe(1);
  expect(rollbacks().map(({ args }) => args[2])).toEqual(["3"]);
  expect((await registry.version("shapes@1")).services).toEqual(["shop"]);

  writeFileSync(join(folder, "shop.key"), createKey("shop", ["*"]).key);
  const refused = await deploy("--wait");
  expect(refused.stderr).toContain(`not scored with the key of ${join(folder, "shop.key")}: `);
  expect(refused.code).toBe(0);
  expect(rollbacks()).toHaveLength(1);
});
