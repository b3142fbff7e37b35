import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import Page from "../../docs/snippets/nextjs/app/page.tsx";
import { fencesOf } from "../../scripts/docs/fences.ts";
import { hear, tensorgate } from "../support/command-process.ts";
import { runInProcess } from "../support/in-process-command.ts";
import { freePort, nginxProgram } from "../support/nginx.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startBundledGateway } from "../support/running-gateway.ts";

// What the how-to guides show, as they show it: docs/snippets. Tutorials are followed in test/packages.

const root = fileURLToPath(new URL("../..", import.meta.url));
const snippets = `${root}docs/snippets`;
const folder = mkdtempSync(join(tmpdir(), "tensorgate-snippets-"));

let running: RunningGateway;
beforeAll(async () => {
  running = await startBundledGateway();
  // For the clients of snippets, which are made when those are imported.
  process.env["TENSORGATE_URL"] = running.url;
});
afterAll(async () => {
  delete process.env["TENSORGATE_URL"];
  await running[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const formWith = (picture: BlobPart | undefined) => {
  const form = new FormData();
  if (picture !== undefined) form.set("picture", new Blob([picture]), "picture.jpg");
  return form;
};

const configurations = globSync("*/tensorgate.yaml", { cwd: snippets });

test.each(configurations)("config check finds nothing wrong with %s", async (path) => {
  expect(await runInProcess(["config", "check", `${snippets}/${path}`])).toMatchObject({
    code: 0,
    stderr: "",
  });
});

describe("nextjs", () => {
  async function post(picture?: BlobPart): Promise<Response> {
    const { POST } = await import("../../docs/snippets/nextjs/app/what-is-it/route.ts");
    return POST(new Request("http://next/what-is-it", { method: "POST", body: formWith(picture) }));
  }

  test("the route handler answers a form, and says whose fault a failure is", async () => {
    expect(await (await post(samplePicture("heart"))).json()).toMatchObject({ label: "heart" });
    const refused = await post("hello");
    expect([refused.status, (await refused.json()).reason]).toEqual([400, "unsupported-media"]);
    expect((await post()).status).toBe(400);
  });

  test("the page's form has the field that the handler reads", () => {
    const html = renderToStaticMarkup(createElement(Page));

    expect(html).toMatch(
      /^<form action="\/what-is-it" encType="multipart\/form-data" method="post"/,
    );
    expect(html).toContain('name="picture"');
  });
});

test("express: the form of the guide takes a picture, and rejects what is none", async () => {
  const server = spawn(
    process.execPath,
    ["--conditions=@tensorgate/source", `${snippets}/express/server.ts`],
    { cwd: root, env: { ...process.env, PORT: "0" }, stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    const [, port] = await hear(server).matching(/port: (\d+)/);
    const url = `http://127.0.0.1:${port}`;
    const post = (body: BodyInit) => fetch(`${url}/what-is-it`, { method: "POST", body });

    expect(await (await fetch(url)).text()).toContain('name="picture"');
    expect(await (await post(formWith(samplePicture("moon")))).text()).toBe("moon");
    expect((await post(formWith("hello"))).status).toBe(400);
    expect((await post(formWith(undefined))).status).toBe(400);
    expect((await post("no form")).status).toBe(400);
  } finally {
    server.kill();
    await once(server, "exit");
  }
});

test("fpga-container: the client calls a container by the script of the guide", async () => {
  const container = tensorgate([
    ...["model-server", "--family", "resnet-50", "--dialect", "azure-fpga"],
    ...["--engine", "none", "--port", "0"],
  ]);
  // In the repository, where the client is found.
  const inside = mkdtempSync(`${root}.snippet-`);
  try {
    const [, port = ""] = await container.said.matching(/gRPC at \S+:(\d+)/);
    const script = readFileSync(`${snippets}/fpga-container/score.ts`, "utf8")
      .replace('"10.0.0.4"', '"127.0.0.1"')
      .replace("port: 80,", `port: ${port},`)
      .replace('"cat.jpg"', JSON.stringify(`${root}examples/pictures/star.jpg`));
    writeFileSync(`${inside}/score.ts`, script);
    const args = ["--conditions=@tensorgate/source", `${inside}/score.ts`];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });

    expect(stdout).toBe("[ 1000 ]\n");
  } finally {
    rmSync(inside, { recursive: true });
    container.child.kill();
    await once(container.child, "exit");
  }
}, 60_000);

test.skipIf(nginxProgram)("nginx is not here, so its configuration is not tried", () => {});

test.runIf(nginxProgram)(
  "nginx: REST and gRPC pass by the configuration of the guide",
  async () => {
    const [httpPort, grpcPort] = [await freePort(), await freePort()];
    const text = readFileSync(`${snippets}/nginx/nginx.conf`, "utf8")
      .replaceAll("127.0.0.1:8080", new URL(running.url).host)
      .replace("127.0.0.1:8000", `127.0.0.1:${httpPort}`)
      .replace("127.0.0.1:8001", `127.0.0.1:${grpcPort}`)
      // Where a user without rights may write.
      .replace("events {}", `pid ${folder}/nginx.pid; error_log ${folder}/error.log; events {}`)
      .replace(
        "http {",
        `http { access_log off; ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
          .map((each) => `${each}_temp_path ${folder}/${each};`)
          .join(" ")}`,
      );
    writeFileSync(`${folder}/nginx.conf`, text);
    const args = ["-p", folder, "-c", `${folder}/nginx.conf`, "-g", "daemon off;"];
    const nginx = spawn(nginxProgram ?? "", args, { stdio: ["ignore", "ignore", "inherit"] });
    try {
      const body = samplePicture("star");
      const post = () =>
        fetch(`http://127.0.0.1:${httpPort}/v1/classify/shapes`, { method: "POST", body });
      await expect.poll(() => post().then(({ status }) => status, String)).toBe(200);
      expect(await (await post()).text()).toContain('"label":"star"');

      const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpcPort}` });
      const { results } = await createClient(ScoringService, transport).classify({
        modelSpec: { name: "shapes" },
        pictures: [{ source: { case: "data", value: body } }],
      });
      expect(results[0]?.outcome).toMatchObject({
        value: { labels: [{ label: "star" }, {}, {}, {}, {}] },
      });
    } finally {
      nginx.kill();
      await once(nginx, "exit");
    }
  },
);

const grpcurl = [
  `${process.env["GOBIN"] ?? join(homedir(), "go/bin")}/grpcurl`,
  "/usr/bin/grpcurl",
].find((path) => existsSync(path));

test.skipIf(grpcurl)("grpcurl is not here, so its guide is not tried", () => {});

test.runIf(grpcurl)("grpcurl: the commands of the guide work as they are printed", async () => {
  const fences = fencesOf(readFileSync(`${root}docs/how-to/grpcurl.md`, "utf8"));
  const env = {
    ...process.env,
    PATH: `${join(grpcurl ?? "", "..")}:${process.env["PATH"]}`,
  };
  async function ran(script: string): Promise<string> {
    const here = script.replaceAll("127.0.0.1:8080", new URL(running.url).host);
    const cwd = `${root}examples/pictures`;
    return (await promisify(execFile)("bash", ["-c", here], { cwd, env })).stdout;
  }
  const [looks, call, answer] = fences;

  expect(await ran(looks?.text ?? "")).toMatch(
    /tensorgate\.v1\.ScoringService\n[\s\S]*rpc Classify/,
  );
  expect(call?.path).toBe("docs/snippets/grpcurl/classify.sh");
  const said = await ran(call?.text ?? "");
  expect(said).toContain(answer?.text);
  expect(said).toContain('"label": "star"');
});
