import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { expect, onTestFinished, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { freePort } from "../support/nginx.ts";
import { samplePicture } from "../support/pictures.ts";
import { type RunningGateway, startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const star = samplePicture("star");
const post = ({ url }: RunningGateway) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star });
const sharingOf = ({ gateway }: RunningGateway) => gateway.status().sharing;

/** A replica that does one call at a time, and gateways before it, each with a secret. */
async function startSharing(secrets: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-sharing-"));
  const replica = await startFakeReplica();
  const pool = {
    model: "shapes",
    region: "westeurope",
    replicas: [replica.address],
    parallelism: 1,
  };
  const recorders = secrets.map(createRecorder);
  const gateways = await Promise.all(
    secrets.map(async (secret, index) => {
      const file = join(folder, `secret-${index}`);
      writeFileSync(file, secret);
      const address = `127.0.0.1:${await freePort()}`;
      const lease = { file: join(folder, "owner") };
      return startGateway(
        {},
        {
          pools: [pool],
          routing: { pacing: false, probeIntervalMs: 600_000, minTryTimeoutMs: 60_000 },
          sharing: { address, host: "127.0.0.1", secret: { file }, lease },
        },
        { ...(recorders[index] && { meterProvider: recorders[index].meterProvider }) },
      );
    }),
  );
  onTestFinished(async () => {
    await Promise.all(gateways.map((each) => each[Symbol.asyncDispose]()));
    await replica[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  /** Collects the metrics of all gateways. @returns values of a metric, with the role if it has one */
  const sharingPoints = async () => {
    const found = (await Promise.all(recorders.map(({ collect }) => collect()))).flat();
    return (name: string) => found.flatMap((each) => (each.name === name ? [each.text] : []));
  };
  return { replica, gateways, sharingPoints };
}

function createRecorder() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const collect = async () => {
    exporter.reset();
    await meterProvider.forceFlush();
    const scopes = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics);
    return scopes.flatMap(({ metrics }) =>
      metrics.flatMap(({ descriptor: { name }, dataPoints }) =>
        dataPoints.map(({ value, attributes }) => ({
          name,
          text: [value, attributes["role"]].filter((part) => part !== undefined).join(" "),
        })),
      ),
    );
  };
  return { meterProvider, collect };
}

const waitingAt = ({ gateway }: RunningGateway) => gateway.status().regions[0]?.pools[0]?.waiting;

async function answerNext(replica: FakeReplica, count: number): Promise<void> {
  for (let answered = 0; answered < count; answered += 1) {
    (await replica.nextPredict()).succeed(shapesOutputs());
  }
}

const rolesOf = (gateways: readonly RunningGateway[]) =>
  gateways.map((each) => sharingOf(each)?.role).toSorted();

test("three gateways give a device two calls together, and one that closes loses none of the others'", async () => {
  const { replica, gateways } = await startSharing(Array(3).fill("a secret of all gateways"));
  await expect.poll(() => rolesOf(gateways)).toEqual(["follower", "follower", "owner"]);
  await expect.poll(() => gateways.map((each) => sharingOf(each)?.gatewayCount)).toEqual([3, 3, 3]);

  const owner = gateways.find((each) => sharingOf(each)?.role === "owner") as RunningGateway;
  const others = gateways.filter((each) => each !== owner);

  const answers = gateways.flatMap((each) => [post(each), post(each), post(each)]);
  await expect.poll(() => waitingAt(owner)).toBe(7);
  expect(replica.predictCount()).toBe(2);
  await answerNext(replica, 9);
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(9).fill(200));

  const more = others.flatMap((each) => [post(each), post(each)]);
  // How many slots a replica has depends on how fast its answers were.
  await expect.poll(() => replica.predictCount() - 9 + (waitingAt(owner) ?? 0)).toBe(4);
  const heldCount = replica.predictCount() - 9;
  const held = await Promise.all(Array.from({ length: heldCount }, replica.nextPredict));
  await owner.gateway.close(1_000);
  await expect.poll(() => rolesOf(others)).toEqual(["follower", "owner"]);
  for (const call of held) call.succeed(shapesOutputs());
  void answerNext(replica, Number.POSITIVE_INFINITY);

  expect((await Promise.all(more)).map(({ status }) => status)).toEqual(Array(4).fill(200));
  expect(others.map((each) => sharingOf(each)?.ownersLost)).toEqual([1, 1]);
});

test("gateways without a common secret have a share of the slots each", async () => {
  const { replica, gateways, sharingPoints } = await startSharing([
    "the secret of the one",
    "the secret of the other",
  ]);
  const alone = () => gateways.find((each) => sharingOf(each)?.role === "alone");
  await expect.poll(() => rolesOf(gateways)).toEqual(["alone", "owner"]);
  await expect.poll(() => alone() && sharingOf(alone() as RunningGateway)?.because).toContain(": ");
  const gateway = alone() as RunningGateway;
  const points = await sharingPoints();
  expect(points("tensorgate.sharing.gateways").toSorted()).toEqual(["1 owner", "2 alone"]);
  expect(points("tensorgate.sharing.slot_share").toSorted()).toEqual(["0.5", "1"]);
  expect(points("tensorgate.sharing.owners_lost")).toEqual(["0", "0"]);

  const answers = [post(gateway), post(gateway), post(gateway)];
  await expect.poll(() => waitingAt(gateway)).toBe(2);
  expect(replica.predictCount()).toBe(1);
  await answerNext(replica, 3);
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
});
