import { createHash } from "node:crypto";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { GatewayOptions } from "@tensorgate/gateway";
import { ServerReflection } from "@tensorgate/proto/grpc/reflection/v1/reflection";
import { ScoringService } from "@tensorgate/proto/tensorgate/v1/scoring";
import { StatusService } from "@tensorgate/proto/tensorgate/v1/status";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type FakeReplica, startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { openGateway, type RunningGateway, shapesModel } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const secret = (id: string) => `tg_${id}_${"s".repeat(43)}`;
const entry = (id: string, models: readonly string[] = ["*"]) => ({
  id,
  models,
  sha256: createHash("sha256").update(secret(id)).digest("hex"),
});
const headers = { authorization: `Bearer ${secret("app")}` };

let replica: FakeReplica;
let running: RunningGateway;
let transport: Transport;
const optionsWith = (keys: GatewayOptions["keys"]): GatewayOptions => ({
  region: "westeurope",
  listen: { port: 0 },
  models: [shapesModel()],
  pools: [{ model: "shapes", region: "westeurope", replicas: [replica.address] }],
  ...(keys && { keys }),
});
beforeAll(async () => {
  replica = await startFakeReplica({ answer: shapesOutputs });
  running = await openGateway(optionsWith([entry("app")]));
  await running.gateway.ready();
  transport = createGrpcTransport({ baseUrl: running.url });
});
beforeEach(() => void running.gateway.reload(optionsWith([entry("app")])));
afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
});

/** Messages of a stream that are sent when the test says so. */
function outgoing<Message>() {
  const queued: Message[] = [];
  let wake = () => {};
  let isEnded = false;
  return {
    send: (message: Message) => {
      queued.push(message);
      wake();
    },
    end: () => {
      isEnded = true;
      wake();
    },
    messages: (async function* () {
      while (!isEnded || queued.length > 0) {
        const next = queued.shift();
        if (next) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    })(),
  };
}

const picture = {
  modelSpec: { name: "shapes" },
  picture: { id: "p", source: { case: "data" as const, value: samplePicture("star") } },
};
const others = () => optionsWith([entry("other")]);
const codeOf = (thrown: unknown) => ConnectError.from(thrown).code;

test("a stream of pictures ends when its key is removed, and the picture is not scored", async () => {
  const sent = outgoing<typeof picture>();
  const client = createClient(ScoringService, transport);
  const answers = client.classifyStream(sent.messages, { headers })[Symbol.asyncIterator]();
  sent.send(picture);
  expect((await answers.next()).value?.result?.outcome.case).toBe("labels");
  const before = replica.predictCount();

  running.gateway.reload(others());
  sent.send(picture);

  expect(await answers.next().catch(codeOf)).toBe(Code.Unauthenticated);
  expect(replica.predictCount()).toBe(before);
  sent.end();
});

test("a picture in flight is not answered to a key that is removed meanwhile", async () => {
  await using slow = await startFakeReplica();
  const pools = [{ model: "shapes", region: "eastus", replicas: [slow.address] }];
  running.gateway.reload({ ...optionsWith([entry("app")]), pools });
  const sent = outgoing<typeof picture>();
  const client = createClient(ScoringService, transport);
  const answers = client.classifyStream(sent.messages, { headers })[Symbol.asyncIterator]();
  const answer = answers.next().catch(codeOf);
  sent.send(picture);
  const predict = await slow.nextPredict();

  running.gateway.reload({ ...others(), pools });
  predict.succeed(shapesOutputs());

  expect(await answer).toBe(Code.Unauthenticated);
  sent.end();
});

test("a key that is narrowed to other models is refused for the next picture", async () => {
  const sent = outgoing<typeof picture>();
  const client = createClient(ScoringService, transport);
  const answers = client.classifyStream(sent.messages, { headers })[Symbol.asyncIterator]();
  sent.send(picture);
  await answers.next();

  running.gateway.reload(optionsWith([entry("app", ["other"])]));
  sent.send(picture);

  const { value } = await answers.next();
  expect(value?.result?.outcome).toMatchObject({ case: "error", value: { reason: "forbidden" } });
  sent.end();
  await answers.next();
});

test("a watched status ends when its key is removed", async () => {
  const client = createClient(StatusService, transport);
  const watching = client.watchStatus({ intervalMs: 250 }, { headers })[Symbol.asyncIterator]();
  expect((await watching.next()).value?.status?.regions[0]?.pools).toHaveLength(1);

  running.gateway.reload(others());

  expect(await watching.next().catch(codeOf)).toBe(Code.Unauthenticated);
});

test("a watched status shows no more than a narrowed key may see", async () => {
  const client = createClient(StatusService, transport);
  const watching = client.watchStatus({ intervalMs: 250 }, { headers })[Symbol.asyncIterator]();
  await watching.next();

  running.gateway.reload(optionsWith([{ ...entry("app"), residency: ["eastus"] }]));
  expect((await watching.next()).value?.status?.regions).toEqual([]);
  running.gateway.reload(optionsWith([entry("app", ["other"])]));
  expect((await watching.next()).value?.status?.regions[0]?.pools).toEqual([]);
  await watching.return?.();
});

test("reflection ends when its key is removed", async () => {
  const question = { host: "", messageRequest: { case: "listServices" as const, value: "" } };
  const sent = outgoing<typeof question>();
  const client = createClient(ServerReflection, transport);
  const answers = client.serverReflectionInfo(sent.messages, { headers })[Symbol.asyncIterator]();
  sent.send(question);
  expect((await answers.next()).value?.messageResponse.case).toBe("listServicesResponse");

  running.gateway.reload(others());
  sent.send(question);

  expect(await answers.next().catch(codeOf)).toBe(Code.Unauthenticated);
  sent.end();
});
