import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openRegistry, type Registry } from "@tensorgate/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runInProcess } from "../support/in-process-command.ts";
import { type StandIns, standInPrograms } from "../support/stand-in-programs.ts";

const shapes = fileURLToPath(
  new URL("../../packages/model-server/models/shapes/1", import.meta.url),
);
const digest = "a".repeat(64);

let folder: string;
let programs: StandIns;
let registry: Registry;
/** The file system of the device. */
let device: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tensorgate-edge-"));
  device = join(folder, "device");
  programs = standInPrograms(join(folder, "bin"));
  for (const program of ["podman", "docker", "systemctl", "journalctl"])
    programs.answer(program, []);
  writeSsh();
  process.env["TENSORGATE_REGISTRY"] = join(folder, "registry");
  registry = openRegistry(join(folder, "registry"));
  for (const name of ["shapes", "ssd"]) {
    await registry.register(name, { from: shapes });
    const image = { reference: `registry.example/${name}:1`, sha256: digest, byteCount: 1 };
    const use = {
      kind: "image",
      ...image,
      isPushed: true,
      base: "registry.example/base:1",
    } as const;
    await registry.recordUse(`${name}@1`, use);
  }
});
afterEach(() => {
  programs[Symbol.dispose]();
  delete process.env["TENSORGATE_REGISTRY"];
  rmSync(folder, { recursive: true });
});

/** An ssh that runs the command here, in the device's file system and with stand-ins for what it has not. */
function writeSsh(): void {
  mkdirSync(device);
  const file = join(folder, "bin/ssh");
  writeFileSync(
    file,
    `#!/bin/sh
for last; do :; done
printf '%s\\n' "$last" >> ${folder}/said
exec sh -c "$(printf %s "$last" | sed "s#/etc/containers#${device}#g; s#/opt/tensorgate#${device}/opt#g")"
`,
  );
  chmodSync(file, 0o755);
}

const said = () => readFileSync(join(folder, "said"), "utf8").trim().split("\n");
const calls = () => programs.calls().map(({ program, args }) => `${program} ${args.join(" ")}`);
const unitFile = () => readFileSync(join(device, "systemd/tensorgate-model.container"), "utf8");

const deploy = (model: string, ...args: readonly string[]) =>
  runInProcess(["deploy", "edge", "root@device.local", "--model", model, ...args]);

test("an edge device gets one unit for its one model", async () => {
  const output = join(folder, "edge");

  const { stdout } = await deploy("shapes@1", "--device", "/dev/xclmgmt0");
  await deploy("shapes@1", "-o", output);

  expect(stdout).toContain(`Image=registry.example/shapes@sha256:${digest}\n`);
  expect(stdout).toContain("AddDevice=/dev/xclmgmt0\n");
  expect(stdout).toContain("--port 8500 --device exclusive\n");
  expect(stdout).toContain('    devices: ["/dev/xclmgmt0"]\n');
  expect(readFileSync(join(output, "compose.yaml"), "utf8")).toContain("name: tensorgate-model");
  expect(existsSync(join(folder, "said"))).toBe(false);
});

test("a model is installed by ssh, after a plan, and recorded", async () => {
  const asked = await deploy("shapes@1", "--install");

  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining("nothing is installed") });
  expect(asked.stdout).toBe(`plan:
  1. root@device.local: podman pull --quiet registry.example/shapes@sha256:${digest}
  2. root@device.local: write /etc/containers/systemd/tensorgate-model.container
  3. root@device.local: systemctl daemon-reload && systemctl restart tensorgate-model.service
  4. root@device.local: systemctl is-active --quiet tensorgate-model.service
  5. shapes@1 runs
`);
  expect(calls()).toEqual([]);

  const done = await deploy("shapes@1", "--install", "--yes");
  expect(done.stderr).toBe("");
  expect(done.code).toBe(0);
  expect(unitFile()).toContain("# shapes@1 on root@device.local.");
  expect(calls()).toEqual(
    [
      `podman pull --quiet registry.example/shapes@sha256:${digest}`,
      "systemctl daemon-reload ",
      "systemctl restart tensorgate-model.service",
      "systemctl is-active --quiet tensorgate-model.service",
    ].map((call) => call.trim()),
  );
  expect((await registry.version("shapes@1")).services).toEqual(["edge:root@device.local"]);
  expect((await deploy("shapes@1", "--install")).stdout).toBe(
    "root@device.local runs shapes@1 already\n",
  );
});

test("a second model is refused with what is running, and swapped if that is meant", async () => {
  await deploy("shapes@1", "--install", "--yes");

  const refused = await deploy("ssd@1", "--install", "--yes");
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      "root@device.local runs shapes@1, and its device holds one model; give --replace to run ssd@1",
    ),
  });
  expect(unitFile()).toContain("shapes@1");

  const swapped = await deploy("ssd@1", "--install", "--replace", "--yes", "--json");
  expect(swapped.code).toBe(0);
  expect(JSON.parse(swapped.stdout.split("\n")[0] ?? "").plan).toHaveLength(5);
  expect(unitFile()).toContain("# ssd@1 on");
  expect((await registry.version("shapes@1")).services).toEqual([]);
});

test("a server that does not start is reported with its log, and the rest of the plan", async () => {
  programs.answer("systemctl", [{ to: "is-active", code: 3 }]);
  programs.answer("journalctl", [{ to: "", stdout: "no device /dev/xclmgmt0\n" }]);

  const { code, stderr } = await deploy("shapes@1", "--install", "--yes");

  expect(code).toBe(1);
  expect(stderr).toContain(
    "the model server does not run on root@device.local\n  | no device /dev/xclmgmt0\nnot installed; when the reason is gone:\n  tensorgate deploy edge root@device.local --install --runtime podman --model shapes@1\n",
  );
  expect((await registry.version("shapes@1")).services).toEqual([]);
});

test("Docker Compose and sudo are taken where the device has them", async () => {
  programs.answer("docker", [{ to: "ps", stdout: "0123\n" }]);
  programs.answer("sudo", []);

  expect((await deploy("shapes@1", "--install", "--runtime", "docker", "--yes")).code).toBe(0);
  expect(readFileSync(join(device, "opt-model/compose.yaml"), "utf8")).toContain("restart: always");
  expect(calls().at(-2)).toMatch(/^docker compose --file \S+ up --detach --remove-orphans$/);

  await deploy("ssd@1", "--install", "--sudo", "--yes");
  expect(said().at(-1)).toMatch(/^sudo --non-interactive sh -c '[^']+'$/);
});

test("what cannot be reached or named is refused", async () => {
  await registry.register("new", { from: shapes });
  expect((await deploy("new@1")).stderr).toContain("no pushed image with a server");
  const option = await runInProcess([
    ...["deploy", "edge", "--model", "shapes@1", "--install", "--", "-oProxyCommand=x"],
  ]);
  expect(option).toMatchObject({ code: 2, stderr: expect.stringContaining("invalid host") });
  writeFileSync(join(folder, "bin/ssh"), "#!/bin/sh\necho no route >&2\nexit 255\n");
  expect((await deploy("shapes@1", "--install", "--yes")).stderr).toContain(
    "cannot reach root@device.local: no route\n",
  );
});

test("a device is emptied, and then its model can be deleted", async () => {
  await deploy("shapes@1", "--install", "--yes");
  const remove = (...args: readonly string[]) =>
    runInProcess(["delete", "edge", "root@device.local", ...args]);

  expect((await runInProcess(["delete", "model", "shapes@1", "--cascade"])).stderr).toContain(
    "edge:root@device.local runs shapes@1",
  );
  const done = await remove("--yes");

  expect(done.stdout).toContain("1. root@device.local: systemctl stop tensorgate-model.service\n");
  expect(done.code).toBe(0);
  expect(existsSync(join(device, "systemd/tensorgate-model.container"))).toBe(false);
  expect((await registry.version("shapes@1")).services).toEqual([]);
  expect((await remove("--yes")).stderr).toContain("runs no model of tensorgate");
});
