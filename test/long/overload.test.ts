import http from "node:http";
import { expect, test } from "vitest";
import { startScript } from "../support/child-process.ts";
import { samplePicture } from "../support/pictures.ts";

const isLinux = process.platform === "linux";

/** A JPEG of eight megabytes: the sample picture, and what nobody reads behind it. */
const large = Buffer.concat([samplePicture("star"), Buffer.alloc(8_000_000)]);

function post(port: number, body: Uint8Array, localAddress: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = http.request(
      {
        host: "127.0.0.1",
        port,
        localAddress,
        agent: false,
        method: "POST",
        path: "/v1/classify/m",
        headers: { "content-length": body.byteLength, "x-tensorgate-timeout-ms": "4000" },
      },
      (response) => {
        response.resume();
        response.once("error", () => {});
        resolve(response.statusCode);
      },
    );
    request.once("error", () => resolve(undefined));
    request.end(body);
  });
}

test.skipIf(!isLinux)(
  "a stopped pool under 1,000 pictures of 8 MB: each is answered, memory is bounded, and then it works again (skipped where there is no /proc)",
  async () => {
    await using replica = await startScript("replica-script.ts", []);
    await using gateway = await startScript("gateway-script.ts", [String(replica.port)]);
    const idleBytes = gateway.peakBytes();
    replica.signal("SIGSTOP");

    const statuses = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        post(gateway.port, large, `127.0.1.${1 + (index % 5)}`),
      ),
    );

    const grownBytes = gateway.peakBytes() - idleBytes;
    const answered = statuses.filter((status) => status !== undefined);
    console.info(
      `${answered.length} answered, memory grew by ${Math.round(grownBytes / 2 ** 20)} MiB`,
    );
    // Overload, too late, or a replica that gave no sign of life any more.
    expect(answered.filter((status) => ![502, 503, 504].includes(status))).toEqual([]);
    // A caller who goes on sending long after the answer is cut, and may have missed it.
    expect(answered.length).toBeGreaterThan(900);
    // Twice what may be in flight.
    expect(grownBytes).toBeLessThan(1_024 * 2 ** 20);

    replica.signal("SIGCONT");
    await expect
      .poll(() => post(gateway.port, samplePicture("star"), "127.0.0.1"), { timeout: 10_000 })
      .toBe(200);
  },
  60_000,
);
