import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openRegistry, type Registry } from "@tensorgate/registry";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { runInProcess } from "../support/in-process-command.ts";
import { type StandIns, standInPrograms } from "../support/stand-in-programs.ts";

const shapes = fileURLToPath(
  new URL("../../packages/model-server/models/shapes/1", import.meta.url),
);

let folder: string;
let programs: StandIns;
let registry: Registry;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-delete-"));
  programs = standInPrograms(join(folder, "bin"));
  programs.answer("helm", []);
  programs.answer("kubectl", [{ to: "get deployments", stdout: deployments() }]);
  programs.answer("az", []);
  process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
  registry = openRegistry(join(folder, "registry"));
  await registry.register("shapes", { from: shapes, aliases: ["champion"] });
  const image = { reference: "shapes-image:1", sha256: "a".repeat(64), byteCount: 1 };
  await registry.recordUse("shapes@1", { kind: "image", ...image });
});
afterEach(() => {
  programs[Symbol.dispose]();
  delete process.env["TENSORGATE_REGISTRY"];
  rmSync(folder, { recursive: true });
});

/** What `kubectl get deployments` prints of services, such as `lab/shop`. */
function deployments(...services: readonly string[]): string {
  const items = services.map((each) => {
    const [namespace, name] = each.split("/");
    return { metadata: { namespace, labels: { "app.kubernetes.io/instance": name } } };
  });
  return JSON.stringify({ items });
}

const remove = (...args: readonly string[]) => runInProcess(["delete", ...args]);

const runs = (...services: readonly string[]) =>
  Promise.all(services.map((name) => registry.recordUse("shapes@1", { kind: "service", name })));

const calls = () =>
  programs.calls().map(({ program, args }) => `${program} ${args.slice(0, 2).join(" ")}`);

test("a service is deleted before its images and versions, and the plan comes first", async () => {
  await runs("shop");

  const asked = await remove("shop", "--cascade");

  expect(asked.stdout).toBe(
    `plan:
  1. service shop in namespace default: gateways, model servers, configuration
  2. image shapes-image:1
  3. version shapes@1 with its alias champion
  4. model shapes, which has no other version
`,
  );
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining("give --yes") });
  expect(calls()).toEqual(["helm status shop"]);

  const done = await remove("shop", "--cascade", "--yes");
  expect(done.code).toBe(0);
  expect(calls().slice(1)).toEqual([
    "helm status shop",
    "helm uninstall shop",
    "kubectl wait pods",
  ]);
  expect(await registry.models()).toEqual([]);
});

test("a plan and its steps are lines of JSON", async () => {
  const { code, stdout } = await remove("model", "shapes", "--cascade", "--yes", "--json");

  expect(code).toBe(0);
  const image = { kind: "image", name: "shapes-image:1" };
  const version = { kind: "version", name: "shapes@1" };
  const model = { kind: "model", name: "shapes" };
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { plan: [image, version, model] },
    { deleted: image, remains: [] },
    { deleted: version, remains: [] },
    { deleted: model, remains: [] },
  ]);
});

test("versions that another service runs stay, and so does the service", async () => {
  await runs("shop", "lab/shop");

  const { code, stderr } = await remove("shop", "--cascade", "--yes");

  expect(code).toBe(1);
  expect(stderr).toContain("nothing is deleted, because lab/shop runs shapes@1");
  expect(calls()).toEqual([]);
});

test("a service that the cluster does not have is reported, and its record is forgotten if asked", async () => {
  programs.answer("helm", [{ to: "status", code: 1, stderr: "Error: release: not found" }]);
  programs.answer("kubectl", [{ to: "get deployments", stdout: deployments("lab/shop") }]);

  expect((await remove("shopp", "--yes")).stderr).toContain(
    'the cluster has no service "shopp" in namespace default; services: lab/shop\n',
  );
  await runs("shop");
  expect((await remove("shop", "--yes")).stderr).toContain("give --record-only if it is gone");
  const done = await remove("shop", "--record-only", "--yes");

  expect(done.stdout).toContain("1. the record that shop runs; no cluster is changed\n");
  expect((await registry.version("shapes@1")).services).toEqual([]);
  expect(calls().filter((call) => !/status|get deployments/.test(call))).toEqual([]);
  expect((await remove("shop", "--record-only")).stderr).toContain("no record of a service");
});

test("a step that fails names the commands of those that were not done", async () => {
  await runs("shop");
  const refusing = createServer((_, response) => response.writeHead(403).end()).listen(0);
  onTestFinished(() => void refusing.close());
  await once(refusing, "listening");
  const reference = `127.0.0.1:${(refusing.address() as AddressInfo).port}/shapes:1`;
  await registry.recordUse("shapes@1", {
    kind: "image",
    reference,
    sha256: "b".repeat(64),
    byteCount: 1,
    isPushed: true,
  });

  const { code, stdout, stderr } = await remove("shop", "--cascade", "--yes");

  expect(code).toBe(1);
  expect(stdout).toContain("done: service shop");
  expect(stderr).toContain(`not deleted; when the reason is gone:
  tensorgate delete image ${reference}
  tensorgate delete model shapes@1 --cascade
  tensorgate delete model shapes
`);
});

test("a model with an alias, an image or a service is not deleted", async () => {
  await registry.register("shapes", { from: shapes });

  const named = await remove("model", "shapes", "--yes");
  expect(named).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      "nothing is deleted, because shapes@1 has alias champion, image shapes-image:1; give --cascade",
    ),
  });

  expect((await remove("model", "shapes@2", "--yes")).code).toBe(0);
  expect((await registry.model("shapes")).versions).toEqual([1n]);

  await runs("shop");
  expect((await remove("model", "shapes@champion", "--cascade", "--yes")).stderr).toContain(
    "nothing is deleted, because shop runs shapes@1; delete the service first",
  );
  expect((await remove("image", "shapes-image:1", "--yes")).stderr).toContain(
    "shop runs shapes@1; delete the service first: tensorgate delete shop\n",
  );
  expect((await remove("image", "other:1", "--yes")).stderr).toContain("images: shapes-image:1\n");
  expect((await remove("model", "shape@1")).stderr).toContain("did you mean shapes?");
});

test("images and models are deleted one by one", async () => {
  expect((await remove("image", "shapes-image:1", "--yes")).stdout).toContain(
    "done: image shapes-image:1\n",
  );
  await registry.removeAlias("shapes", "champion");

  expect((await remove("model", "shapes", "--yes")).stdout).toBe(
    `plan:
  1. version shapes@1
  2. model shapes, which has no other version
done: version shapes@1
done: model shapes, which has no other version
`,
  );
  expect(await registry.models()).toEqual([]);
});

test("a cluster goes after its services and before their images", async () => {
  await runs("lab/shop");
  programs.answer("kubectl", [{ to: "get deployments", stdout: deployments("lab/shop") }]);

  const refused = await remove("cluster", "--name", "blue", "--yes");
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("blue runs lab/shop; delete it first, or give --cascade"),
  });

  const done = await remove("cluster", "--name", "blue", "--cascade", "--yes");
  expect(done.code).toBe(0);
  expect(done.stdout.split("\n").slice(0, 6)).toEqual([
    "plan:",
    "  1. service shop in namespace lab: gateways, model servers, configuration",
    "  2. cluster blue in resource group tensorgate: az aks delete --resource-group tensorgate --name blue --yes",
    "  3. image shapes-image:1",
    "  4. version shapes@1 with its alias champion",
    "  5. model shapes, which has no other version",
  ]);
  expect(calls().slice(-3)).toEqual(["helm uninstall shop", "kubectl wait pods", "az aks delete"]);
  for (const { program, args } of programs.calls()) {
    if (program !== "az") expect(args.join(" ")).toContain("context blue");
  }
  expect(await registry.models()).toEqual([]);
});

test("a cluster whose services cannot be seen is not deleted", async () => {
  programs.answer("kubectl", [{ to: "get deployments", code: 1, stderr: "connection refused" }]);

  const { code, stderr } = await remove("cluster", "--yes");

  expect(code).toBe(1);
  expect(stderr).toContain("connection refused; to delete it with all of them: tensorgate cluster");
  expect(calls()).toEqual(["kubectl get deployments"]);
});
