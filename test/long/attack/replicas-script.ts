// Two replicas in their own process: one that serves well, and one that answers with bombs. Prints their ports.
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { float32Tensor } from "@tensorgate/core";
import { startFakeReplica } from "../../support/fake-replica.ts";
import { field, framed, repeated } from "./hostile-bodies.ts";

const classes = 50_000;
const scores = Float32Array.from({ length: classes }, (_, index) => (index === 7 ? 1 : 0));

const good = await startFakeReplica({
  answer: (request) => {
    const isWide = request.modelSpec?.name === "wide";
    return new Map([
      [
        "scores",
        isWide
          ? float32Tensor([1, classes], scores)
          : float32Tensor([1, 2], Float32Array.of(0.25, 0.75)),
      ],
    ]);
  },
});

const large = 16 * 2 ** 20;
/** `TensorProto`s under the name `scores`: empty strings, and dimensions without end. */
const strings = Buffer.concat([Buffer.of(0x08, 0x07), repeated([0x42, 0x00], large)]);
const dimensions = Buffer.concat([
  Buffer.of(0x08, 0x01),
  field(0x12, repeated([0x12, 0x00], large)),
]);
const outputs = [strings, dimensions].map((tensor) =>
  field(0x0a, Buffer.concat([field(0x0a, Buffer.from("scores")), field(0x12, tensor)])),
);
/** Versions that say nothing, but for the first: available. */
const statuses = Buffer.concat([
  field(0x0a, Buffer.of(0x08, 0x01, 0x10, 30)),
  repeated([0x0a, 0x00], large),
]);

const bad = http2.createServer();
let answered = 0;
bad.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  stream.resume();
  stream.on("end", () => {
    answered += 1;
    const isStatus = headers[":path"]?.endsWith("/GetModelStatus");
    // Now and then it says that it is well, so that calls come.
    const isBomb = !isStatus || answered % 3 === 0;
    const message = isStatus
      ? isBomb
        ? statuses
        : field(0x0a, Buffer.of(0x08, 0x01, 0x10, 30))
      : (outputs[answered % 2] as Buffer);
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(framed(message));
  });
});
await new Promise<void>((resolve) => bad.listen(0, "127.0.0.1", resolve));
process.once("disconnect", () => process.exit(0));
process.stdout.write(`ports ${good.port} ${(bad.address() as AddressInfo).port}\n`);
