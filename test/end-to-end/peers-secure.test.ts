import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasOpenssl, type TestCertificates, testCertificates } from "../support/certificates.ts";
import { startFakeReplica } from "../support/fake-replica.ts";
import { enteredBy, startEast } from "../support/peer-gateways.ts";
import { samplePicture } from "../support/pictures.ts";
import { replicaChanges } from "../support/replica-changes.ts";
import { openGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const star = samplePicture("star");

const post = (url: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/classify/shapes`, { method: "POST", body: star, headers });

const key = `tg_west_${"s".repeat(43)}`;
const keys = [
  { id: "west", sha256: createHash("sha256").update(key).digest("hex"), models: ["shapes"] },
];

describe.skipIf(!hasOpenssl)("gateways that speak TLS (skipped where openssl is missing)", () => {
  let files: TestCertificates;
  beforeAll(() => {
    if (hasOpenssl) files = testCertificates();
  });
  afterAll(() => files?.[Symbol.dispose]());

  /** The gateway of eastus, which takes nobody without a key, and how it is entered by https. */
  async function startSecureEast(address: string) {
    const tls = { cert: files.serverCertFile, key: files.serverKeyFile };
    const east = await startEast(address, { keys, listen: { port: 0, tls } });
    return { ...east, pool: { ...enteredBy("eastus", east.url), tls: { ca: files.caFile } } };
  }

  test("and ask for keys answer each other, and the caller's own key goes no further", async () => {
    await using replica = await startFakeReplica();
    await using east = await startSecureEast(replica.address);
    const changes = replicaChanges();
    const { onReplica } = changes;
    const heldKey = { value: key, allowInConfiguration: true };
    const pools = [{ ...east.pool, key: heldKey }];
    await using west = await openGateway({ pools }, { onReplica });
    await changes.until("eastus-1", "ready");

    const answer = post(west.url, { authorization: "Bearer of-the-caller" });
    (await replica.nextPredict()).succeed(shapesOutputs());

    expect((await answer).status).toBe(200);
    expect((await answer).headers.get("x-tensorgate-region")).toBe("eastus");
  });

  test("send nothing to one that refuses their key, and tell the caller nothing of it", async () => {
    await using replica = await startFakeReplica();
    await using east = await startSecureEast(replica.address);
    const changes = replicaChanges();
    const { onReplica } = changes;
    await using west = await openGateway({ pools: [east.pool] }, { onReplica });
    await changes.until("eastus-1", "ejected");

    const response = await post(west.url);

    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ reason: "no-replica" });
    expect(replica.predictCount()).toBe(0);
  });
});
