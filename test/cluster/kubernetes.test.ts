import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GatewayStatus } from "@tensorgate/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, type Ended, noClusterReason, startCluster } from "../support/cluster.ts";
import { writeShapesSavedModel } from "../support/shapes-saved-model.ts";
import { symbolNames, writeSymbols } from "../support/unseen-symbols.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const registry = "127.0.0.1:5000";
const source = "--conditions=@tensorgate/source";

describe.skipIf(noClusterReason !== undefined)(
  `a real Kubernetes${noClusterReason ? ` (skipped: ${noClusterReason})` : ""}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "tensorgate-cluster-"));
    const bin = join(folder, "bin");
    let cluster: Cluster;

    /** Runs the command as a user does, inside the network of the cluster. */
    const tensorgate = (...args: readonly string[]) => shell(["tensorgate", ...args]);

    const shell = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
      cluster.run(["env", `PATH=${bin}:${process.env["PATH"]}:/usr/sbin`, ...args], {
        cwd: folder,
        env: { TENSORGATE_IMAGE: `${registry}/tensorgate:0.1.0`, ...more },
      });

    const ok = ({ code, stdout, stderr }: Ended): string => {
      expect(code, `${stdout}\n${stderr}`).toBe(0);
      return `${stdout}${stderr}`;
    };

    beforeAll(async () => {
      mkdirSync(bin);
      const bundled = join(root, "packages/model-server/models/shapes/1");
      cpSync(bundled, join(folder, "bundled"), { recursive: true });
      writeShapesSavedModel(join(folder, "shapes"));
      const { labels } = JSON.parse(readFileSync(join(bundled, "manifest.json"), "utf8"));
      writeFileSync(join(folder, "labels.txt"), `${labels.join("\n")}\n`);
      cpSync(join(root, "examples/pictures/star.jpg"), join(folder, "star.jpg"));
      // What npm sets for a script of the workspace would be taken for where the user is.
      const command = `#!/bin/sh\nunset npm_package_name INIT_CWD\nexec ${process.execPath} ${source} ${root}/packages/cli/src/main.ts "$@"\n`;
      writeFileSync(join(bin, "tensorgate"), command);
      chmodSync(join(bin, "tensorgate"), 0o755);
      const layout = join(folder, "product");
      execFileSync(process.execPath, [source, "scripts/build-image.ts", layout], { cwd: root });
      cluster = await startCluster();
      for (const name of ["kubectl", "helm"]) {
        const found = (await cluster.run(["which", name])).stdout.trim();
        writeFileSync(join(bin, name), `#!/bin/sh\nexec ${found} "$@"\n`);
        chmodSync(join(bin, name), 0o755);
      }
      await cluster.push(`${layout}:0.1.0`, "tensorgate:0.1.0");
    });
    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    /** Objects of ours that are in the cluster. */
    const objects = async () => {
      const kinds =
        "all,configmap,secret,pdb,hpa,networkpolicy,lease,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,endpointslice";
      const selector = "app.kubernetes.io/name=tensorgate";
      return (await cluster.kubectl("get", kinds, "-A", "-l", selector, "-o", "name")).trim();
    };

    test("docs/tutorials/kubernetes.md goes from a model to labels and back to nothing", async () => {
      const page = readFileSync(join(root, "docs/tutorials/kubernetes.md"), "utf8");
      const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
      const script = `set -eum\n${blocks.join("echo == >&2\n")}`;
      writeFileSync(join(folder, "page.sh"), script.replaceAll("registry.example", registry));

      const said = ok(await shell(["bash", "page.sh"]));

      expect(blocks.length).toBeGreaterThan(6);
      expect(said).toMatch(/dry run: the cluster accepts it/);
      expect(said).toMatch(
        /revision 1, ready in \d+ s\npods: 4\/4 ready\nscored a test image: shapes: \w+ \d+ %/,
      );
      expect(said).toContain("  python3 -c 'import urllib.request");
      expect(said).toContain("shop: deployed, revision 1, 4/4 pods ready\n");
      expect(said).toMatch(/star\.jpg +star \d+/);
      expect(said).toContain("shop runs shapes@1 again\n");
      expect(said).toContain("shop: models[0].replicas is 3, and all are ready\n");
      expect(said).toMatch(/"msg":"loaded shapes, version 1"/);
      await expect.poll(objects, { timeout: 20_000 }).toBe("");
      expect(ok(await tensorgate("image", "list"))).toMatch(/^no images/);
      expect(ok(await tensorgate("registry", "list"))).toMatch(/^no models/);
      const tags = await cluster.run([
        "curl",
        "-s",
        `http://${registry}/v2/shapes-image/manifests/1`,
      ]);
      expect(tags.stdout).toMatch(/MANIFEST_UNKNOWN|NAME_UNKNOWN/);
    });

    describe("a service under load", () => {
      beforeAll(async () => {
        for (const version of [1, 2]) {
          ok(await tensorgate("registry", "register", "shapes", "--from", "./bundled"));
          const name = `${registry}/load-image:${version}`;
          ok(
            await tensorgate(
              "image",
              "build",
              `shapes@${version}`,
              "--name",
              name,
              "--model-only",
              "--push",
            ),
          );
        }
        ok(await deploy("shapes@1", "--wait"));
      });

      const deploy = (model: string, ...args: readonly string[]) =>
        tensorgate("deploy", "load", "--models", model, "--replicas", "2", ...args);

      /** Calls the service at a steady rate while something happens to it. */
      async function whileCalled(happens: () => Promise<unknown>) {
        const stop = join(folder, "stop");
        rmSync(stop, { force: true });
        const args = [
          "http://load.default.svc.cluster.local",
          readFileSync(join(folder, "load.key"), "utf8").trim(),
          "star.jpg",
          "20",
          stop,
        ];
        const script = join(root, "test/support/open-loop-script.ts");
        rmSync(`${stop}.count`, { force: true });
        const ended = () => Number(existsSync(`${stop}.count`) && readFileSync(`${stop}.count`));
        const untilEnded = (count: number) =>
          expect.poll(ended, { timeout: 60_000 }).toBeGreaterThanOrEqual(count);
        const calling = cluster.run([process.execPath, source, script, ...args], { cwd: folder });
        try {
          await untilEnded(20);
          await happens();
          await untilEnded(ended() + 60);
        } finally {
          writeFileSync(stop, "");
        }
        const { stdout, stderr } = await calling;
        expect(stdout, stderr).not.toBe("");
        const result = JSON.parse(stdout) as {
          readonly callCount: number;
          readonly failures: readonly string[];
          readonly labels: object;
          readonly slowestMs: number;
        };
        process.stdout.write(
          `${result.callCount} calls, ${result.failures.length} failed, slowest ${result.slowestMs} ms\n`,
        );
        return result;
      }

      const podsOf = async (component: string) =>
        (
          await cluster.kubectl(
            "get",
            "pods",
            "-l",
            `app.kubernetes.io/instance=load,app.kubernetes.io/component=${component}`,
            "-o",
            "name",
          )
        )
          .trim()
          .split("\n");

      test("has no difference to what was deployed, and a job for each deployment", async () => {
        expect(ok(await deploy("shapes@1"))).toContain("diff: none\n");
        const list = ok(await tensorgate("job", "list", "--json"));
        const jobs = list
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
          .filter(({ kind }) => kind === "deploy");
        expect(jobs).toMatchObject([
          { reference: "load", state: "done", result: { revision: 2, models: ["shapes@1"] } },
          { reference: "load", state: "done", result: { revision: 1, models: ["shapes@1"] } },
        ]);
        expect(ok(await tensorgate("job", "log", jobs[1].id))).toMatch(
          /^comparing .*\n[\s\S]*pods: 4\/4 ready\n[\s\S]*scored a test image: shapes: \w+ \d+ %\ndone\n$/,
        );
        expect(statSync(join(folder, "load.key")).mode & 0o777).toBe(0o600);
      });

      test("has one gateway that schedules for both, and another one when that is killed", async () => {
        const key = readFileSync(join(folder, "load.key"), "utf8").trim();
        const gateways = async () => {
          const selector = "app.kubernetes.io/instance=load,app.kubernetes.io/component=gateway";
          const fields = "{range .items[*]}{.metadata.name} {.status.podIP}{'\\n'}{end}";
          const args = ["-l", selector, "-o", `jsonpath=${fields}`];
          const lines = (await cluster.kubectl("get", "pods", ...args)).trim().split("\n");
          return lines.map((line) => line.split(" ") as [name: string, address: string]);
        };
        const roles = async () => {
          const all = (await gateways()).map(async ([, address]) => {
            const url = `http://${address}:8080`;
            const said = await tensorgate("status", "--once", "--json", "--url", url, "--key", key);
            return said.code === 0 ? JSON.parse(said.stdout).sharing?.role : said.stderr;
          });
          return (await Promise.all(all)).toSorted();
        };
        const holder = () =>
          cluster.kubectl("get", "lease", "load", "-o", "jsonpath={.spec.holderIdentity}");
        await expect.poll(roles, { timeout: 30_000 }).toEqual(["follower", "owner"]);
        const owner = (await holder()).trim();
        const pod = (await gateways()).find(([, address]) => owner === `${address}:8474`)?.[0];

        const { failures, labels, callCount } = await whileCalled(async () => {
          await cluster.kubectl("delete", "pod", pod ?? "", "--force", "--grace-period=0");
          await expect.poll(holder, { timeout: 30_000 }).not.toContain(owner);
          await expect.poll(roles, { timeout: 60_000 }).toEqual(["follower", "owner"]);
        });

        expect(failures).toEqual([]);
        expect(labels).toEqual({ star: callCount });
      });

      test("loses no call while models and gateways are replaced", async () => {
        const before = [...(await podsOf("model")), ...(await podsOf("gateway"))];

        const { failures, callCount, labels } = await whileCalled(async () => {
          ok(await deploy("shapes@2", "--wait"));
          writeFileSync(
            join(folder, "values.yaml"),
            "gateway: { config: { routing: { retryShare: 0.3 } } }\n",
          );
          ok(await deploy("shapes@2", "--wait", "-f", "values.yaml"));
          // The old gateways still finish their calls.
          await cluster.kubectl("wait", ...before, "--for=delete", "--timeout=60s");
        });

        expect(failures).toEqual([]);
        expect(callCount).toBeGreaterThan(100);
        expect(labels).toEqual({ star: callCount });
      });

      test("loses no call when a replica and a gateway are killed", async () => {
        const { failures, labels, callCount } = await whileCalled(async () => {
          for (const component of ["model", "gateway"]) {
            const [pod = ""] = await podsOf(component);
            await cluster.kubectl("delete", pod, "--force", "--grace-period=0");
            await cluster.kubectl(
              "rollout",
              "status",
              "deployment",
              "-l",
              "app.kubernetes.io/instance=load",
              "--timeout=90s",
            );
          }
        });

        expect(failures).toEqual([]);
        expect(labels).toEqual({ star: callCount });
      });

      test("loses no call while its pods are evicted, as from a node that is drained", async () => {
        const evict = (pod: string) => {
          const metadata = { name: pod.replace("pod/", ""), namespace: "default" };
          const body = { apiVersion: "policy/v1", kind: "Eviction", metadata };
          writeFileSync(join(folder, "eviction.json"), JSON.stringify(body));
          const path = `/api/v1/namespaces/default/pods/${metadata.name}/eviction`;
          return shell(["kubectl", "create", "--raw", path, "-f", "eviction.json"]);
        };
        const refusals: string[] = [];

        const { failures, labels, callCount } = await whileCalled(async () => {
          for (const component of ["model", "gateway"]) {
            const pods = await podsOf(component);
            expect(pods).toHaveLength(2);
            for (const pod of pods) {
              await expect
                .poll(
                  async () => {
                    const { code, stderr } = await evict(pod);
                    if (code !== 0) refusals.push(stderr);
                    return code;
                  },
                  { timeout: 60_000, interval: 500 },
                )
                .toBe(0);
            }
            await cluster.kubectl("wait", ...pods, "--for=delete", "--timeout=60s");
          }
        });

        expect(failures).toEqual([]);
        expect(labels).toEqual({ star: callCount });
        // The second one of each is not evicted before the first one is replaced.
        expect(refusals.length).toBeGreaterThan(0);
        for (const refusal of refusals) expect(refusal).toContain("disruption budget");
      });

      test("loses no call while replicas that are watched in EndpointSlices are replaced", async () => {
        const values =
          "gateway: { discovery: kubernetes, config: { upstream: { resolveIntervalMs: 3600000 } } }\n";
        writeFileSync(join(folder, "watched.yaml"), values);
        ok(await deploy("shapes@2", "--wait", "-f", "watched.yaml"));
        const before = await podsOf("model");

        const { failures, labels, callCount } = await whileCalled(async () => {
          ok(await deploy("shapes@1", "--wait", "-f", "watched.yaml"));
          await cluster.kubectl("wait", ...before, "--for=delete", "--timeout=60s");
        });

        expect(failures).toEqual([]);
        expect(labels).toEqual({ star: callCount });
        ok(await deploy("shapes@2", "--wait"));
      });

      test("has its replicas in the regions and zones of their nodes, where gateways may read these", async () => {
        const label = (...labels: readonly string[]) =>
          cluster.kubectl(
            ...["label", "node", "node-1"],
            ...labels.map((each) => `topology.kubernetes.io/${each}`),
          );
        await label("region=westeurope", "zone=westeurope-2");
        const key = readFileSync(join(folder, "load.key"), "utf8").trim();
        const at = async (gateway: object) => {
          const values = { gateway: { discovery: "kubernetes", ...gateway } };
          writeFileSync(join(folder, "regions.yaml"), JSON.stringify(values));
          ok(await deploy("shapes@2", "--wait", "-f", "regions.yaml"));
          const caller = ["--url", "http://load.default.svc.cluster.local", "--key", key];
          const { stdout } = await tensorgate("status", "--once", "--json", ...caller);
          const { region, regions } = JSON.parse(stdout) as GatewayStatus;
          const counts = regions.map(
            ({ name, pools }) => `${name}: ${pools.map(({ replicas }) => replicas.length)}`,
          );
          return [region, ...counts];
        };
        const region = "kubernetes:///region";

        expect(await at({ region })).toEqual(["westeurope", "westeurope: 2"]);
        // A gateway of another region learns the same of the replicas, by their nodes.
        const elsewhere = { region, config: { region: "elsewhere" } };
        expect(await at(elsewhere)).toEqual(["elsewhere", "westeurope: 2"]);
        // Without the right to read nodes gateways keep what they know, and those that start later know nothing.
        const without = { ...elsewhere, nodes: false };
        expect(await at(without)).toEqual(["elsewhere", "westeurope: 2"]);
        const later = { ...without, config: { region: "elsewhere", routing: { retryShare: 0.2 } } };
        expect(await at(later)).toEqual(["elsewhere", "elsewhere: 2"]);
        const zone = { ...elsewhere, region: "kubernetes:///zone", nodes: false };
        expect(await at(zone)).toEqual(["elsewhere", "westeurope-2: 2"]);
        await label("region-", "zone-");
        ok(await deploy("shapes@2", "--wait"));
      });

      test("answers with classes that were taught on its features", async () => {
        await writeSymbols(join(folder, "symbols"), { perClass: 10, seed: 1 });
        const url = "http://load.default.svc.cluster.local";
        const key = readFileSync(join(folder, "load.key"), "utf8").trim();
        const caller = ["--url", url, "--key", key];
        ok(
          await tensorgate(
            "teach",
            "symbols",
            "--from",
            "symbols",
            "--features",
            "shapes",
            ...caller,
          ),
        );

        const said = ok(await deploy("symbols@1,shapes@2", "--wait"));

        expect(said).toMatch(/scored a test image: symbols: \w+ \d+ %/);
        const [name = ""] = symbolNames;
        const scored = await tensorgate(
          "score",
          `symbols/${name}`,
          "--model",
          "symbols",
          ...caller,
        );
        const right = ok(scored)
          .split("\n")
          .filter((line) => line.includes(` ${name} `));
        expect(right.length).toBeGreaterThan(7);
        expect((await tensorgate("delete", "model", "symbols", "--cascade")).stderr).toContain(
          "nothing is deleted, because load runs symbols@1",
        );
      });

      test("keeps answering while a bad image is rolled out and taken back", async () => {
        let bad: Ended | undefined;
        const { failures } = await whileCalled(async () => {
          bad = await deploy(
            "shapes@2",
            "--image",
            `${registry}/absent:1`,
            "--wait",
            "--timeout",
            "12",
          );
        });

        expect(failures).toEqual([]);
        expect(bad?.code).toBe(1);
        expect(bad?.stderr).toMatch(/pod load-\S+: (ImagePullBackOff|ErrImagePull).*absent:1/);
        expect(bad?.stderr).toMatch(/rolled back to revision \d+\n$/);
      });

      test("is refused devices that no node has, and gets those that one has", async () => {
        const fpga = ["--resource", "xilinx.com/fpga"];
        const none = await tensorgate("quota", ...fpga);
        const patch = '[{"op":"add","path":"/status/capacity/xilinx.com~1fpga","value":"1"}]';
        await cluster.kubectl(
          "patch",
          "node",
          "node-1",
          "--subresource=status",
          "--type=json",
          "-p",
          patch,
        );
        await expect
          .poll(async () => (await tensorgate("quota", ...fpga)).code, { timeout: 20_000 })
          .toBe(0);

        const two = await deploy("shapes@2", ...fpga);
        const one = ok(
          await tensorgate("deploy", "load", "--models", "shapes@2", ...fpga, "--wait"),
        );
        const again = ok(
          await tensorgate("quota", ...fpga, "--replicas", "1").then((ended) => ({
            ...ended,
            code: 1 - ended.code,
          })),
        );

        // The gateways say the same, and nothing without the right to list nodes and pods.
        const key = readFileSync(join(folder, "load.key"), "utf8").trim();
        const url = "http://load.default.svc.cluster.local";
        const told = () => tensorgate("status", "--once", "--url", url, "--key", key);
        const counting = { enabled: true };
        writeFileSync(
          join(folder, "capacity.yaml"),
          JSON.stringify({ gateway: { capacity: counting } }),
        );
        ok(
          await tensorgate(
            ...["deploy", "load", "--models", "shapes@2", ...fpga, "--wait", "-f", "capacity.yaml"],
          ),
        );
        const free = ok(await told());
        await cluster.kubectl("delete", "clusterrolebinding", "default-load-nodes");
        await cluster.kubectl("rollout", "restart", "deployment/load");
        await cluster.kubectl("rollout", "status", "deployment/load", "--timeout=90s");
        const refused = ok(await told());

        expect(free).toContain("no free xilinx.com/fpga in the cluster (1 in use)\n");
        expect(refused).toContain("free devices are unknown: the gateway may not list nodes");
        expect(none).toMatchObject({
          code: 1,
          stderr: expect.stringContaining("no node has xilinx.com/fpga"),
        });
        expect(two).toMatchObject({
          code: 1,
          stderr: expect.stringContaining("2 wanted, 1 free on 1 node"),
        });
        expect(one).toContain("quota ok: 1 wanted, 1 free on 1 node (node-1: 1 of 1)\n");
        expect(one).toContain("scored a test image: shapes:");
        expect(again).toContain("1 wanted, 0 free");
      });

      test("has routes, autoscalers and policies that the cluster's schemas accept", async () => {
        const home =
          process.env["PEERS_HOME"] ?? join(process.env["HOME"] ?? "", ".cache/tensorgate-peers");
        const crds = join(home, "kubernetes/crds");
        expect(existsSync(crds)).toBe(true);
        await cluster.kubectl("apply", "--server-side", "-R", "-f", crds);
        await cluster.kubectl(
          "wait",
          "--for=condition=Established",
          "crd",
          "--all",
          "--timeout=30s",
        );
        const values = {
          gateway: { autoscaling: { kind: "keda" } },
          prometheus: { address: "http://prometheus.monitoring:9090" },
          networkPolicy: { enabled: true },
          routes: {
            http: true,
            grpc: true,
            parentRefs: [{ name: "web" }],
            hostnames: ["shop.example"],
          },
        };
        writeFileSync(join(folder, "all.yaml"), JSON.stringify(values));
        const { stdout } = await deploy(
          "shapes@2",
          "--autoscale",
          "1..3",
          "-f",
          "all.yaml",
          "--manifests",
        );
        writeFileSync(join(folder, "all-manifests.yaml"), stdout);

        await expect
          .poll(
            () =>
              shell([
                "kubectl",
                "apply",
                "--server-side",
                "--force-conflicts",
                "--dry-run=server",
                "-f",
                "all-manifests.yaml",
              ]),
            { timeout: 20_000, interval: 1_000 },
          )
          .toMatchObject({
            code: 0,
            stdout: expect.stringMatching(
              /grpcroute[\s\S]*scaledobject|scaledobject[\s\S]*grpcroute/,
            ),
          });
      });

      test("is scored by TLS, with a certificate for its own name", async () => {
        const request = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=load.default.svc";
        const files = ["-keyout", "tls.key", "-out", "tls.crt"];
        ok(await shell(["openssl", ...request.split(" "), ...files]));
        const secret = ["create", "secret", "tls", "load-tls", "--cert=tls.crt", "--key=tls.key"];
        ok(await shell(["kubectl", ...secret]));
        const gateway = { tls: { secretName: "load-tls" }, service: { port: 443 } };
        writeFileSync(join(folder, "tls.yaml"), JSON.stringify({ gateway }));

        const said = ok(await deploy("shapes@2", "--wait", "-f", "tls.yaml"));

        expect(said).toMatch(/scored a test image: shapes: \w+ \d+ %/);
        expect(said).toContain("https://load.default.svc\n");
        await cluster.kubectl("delete", "secret", "load-tls");
      });

      test("leaves nothing behind", async () => {
        const said = ok(await tensorgate("delete", "load", "--cascade", "--yes"));

        expect(said).toMatch(
          /^plan:\n {2}1\. service load in namespace default: .*\n {2}2\. image \S+load-image:2\n {2}3\. version shapes@2\n/,
        );
        await expect.poll(objects, { timeout: 20_000 }).toBe("");
        expect(ok(await tensorgate("registry", "show", "shapes"))).not.toContain("services");
        expect(ok(await tensorgate("job", "list"))).not.toContain("deploy");
      });
    });
  },
);
