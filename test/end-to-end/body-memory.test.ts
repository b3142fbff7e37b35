import { create, toBinary } from "@bufbuild/protobuf";
import { ClassifyRequestSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { startFakeReplica } from "../support/fake-replica.ts";
import { samplePicture } from "../support/pictures.ts";
import { startGateway } from "../support/running-gateway.ts";
import { shapesOutputs } from "../support/shapes-answers.ts";

const star = samplePicture("star");

/** A JPEG with a comment of one repeated byte, by which it is known. */
function commented(byte: number): Uint8Array<ArrayBuffer> {
  const comment = Buffer.alloc(40_000 + byte, byte);
  comment.writeUInt16BE(0xff_fe, 0);
  comment.writeUInt16BE(comment.length - 2, 2);
  return new Uint8Array([...star.subarray(0, 2), ...comment, ...star.subarray(2)]);
}

const rpcPath = "/tensorgate.v1.ScoringService/Classify";

function rpcMessage(picture: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const pictures = [{ source: { case: "data" as const, value: picture } }];
  return toBinary(
    ClassifyRequestSchema,
    create(ClassifyRequestSchema, { modelSpec: { name: "shapes" }, pictures }),
  );
}

test("pictures of many callers reach replicas as they are, also those of calls that fail or are retried", async () => {
  const received = new Set<number>();
  const damaged: number[] = [];
  const leaving = new Map<number, AbortController>();
  let count = 0;
  const replica = () =>
    startFakeReplica({
      answer: (request) => {
        const tensor = request.input("images");
        const picture = Buffer.from((tensor.dtype === "BYTES" && tensor.elements[0]) || []);
        const byte = picture[100] ?? 0;
        if (!picture.equals(commented(byte))) damaged.push(byte);
        received.add(byte);
        // Some callers leave while their picture is scored.
        leaving.get(byte)?.abort();
        count += 1;
        if (count % 5 === 0) return { code: 14, message: "try another" };
        return shapesOutputs();
      },
    });
  await using first = await replica();
  await using second = await replica();
  await using running = await startGateway({ westeurope: [first.address, second.address] });
  let next = 0;

  async function call(): Promise<void> {
    while (next < 120) {
      next += 1;
      const byte = next;
      const controller = new AbortController();
      if (byte % 7 === 0) leaving.set(byte, controller);
      const isRpc = byte % 2 === 0;
      const sent = fetch(running.url + (isRpc ? rpcPath : "/v1/classify/shapes"), {
        method: "POST",
        headers: { "content-type": isRpc ? "application/proto" : "image/jpeg" },
        body: isRpc ? rpcMessage(commented(byte)) : commented(byte),
        signal: controller.signal,
      });
      await sent.then((response) => response.text()).catch(() => "");
    }
  }
  await Promise.all(Array.from({ length: 8 }, call));

  expect(damaged).toEqual([]);
  expect(received.size).toBe(120);
});
