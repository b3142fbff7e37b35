import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

/** Headers of a call for `byteCount` bytes, none of which is sent. */
const headersOnly = (byteCount: number) =>
  [
    "POST /v1/classify/shapes HTTP/1.1",
    "host: 127.0.0.1",
    "content-type: image/jpeg",
    `content-length: ${byteCount}`,
    "\r\n",
  ].join("\r\n");

test.each([2_000, 2_000_000])(
  "a call without room is rejected by its headers, before its %d bytes have come",
  async (byteCount) => {
    await using replica = await startFakeReplica();
    await using running = await startGateway(
      { westeurope: [replica.address] },
      {
        pools: [
          { model: "shapes", region: "westeurope", replicas: [replica.address], parallelism: 1 },
        ],
        routing: { maxWaiting: 1 },
      },
    );
    const { gateway, url } = running;
    const body = Uint8Array.from(samplePicture("star"));
    const headers = { "content-type": "image/jpeg" };
    const calls: Promise<Response>[] = [];
    const waiting = () => gateway.status().regions[0]?.pools[0]?.waiting;
    // Until one has to wait: how many the replica takes first is its affair.
    for (let count = 0; count < 4 && waiting() === 0; count += 1) {
      calls.push(fetch(`${url}/v1/classify/shapes`, { method: "POST", headers, body }));
      await expect.poll(() => inFlight(gateway.status()) + (waiting() ?? 0)).toBe(calls.length);
    }

    const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
    socket.write(headersOnly(byteCount));
    const [reply] = await once(socket, "data");
    socket.destroy();
    expect(String(reply)).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: \d+\r\n/s);
    expect(replica.predictCount()).toBeLessThan(calls.length);

    for (const _ of calls) (await replica.nextPredict()).succeed(shapesOutputs());
    for (const call of calls) expect((await call).status).toBe(200);
  },
);

type Status = ReturnType<Awaited<ReturnType<typeof startGateway>>["gateway"]["status"]>;

const inFlight = ({ regions }: Status) => regions[0]?.pools[0]?.replicas[0]?.inFlight ?? 0;
