// A replica that always gives the same 1000 scores, at once. Prints its port.
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { float32Tensor } from "@tensorgate/core";
import {
  GetModelStatusResponseSchema,
  ModelVersionStatus_State as State,
} from "@tensorgate/proto/tensorflow_serving/get_model_status";
import { predictResponseSegments } from "@tensorgate/tf-serving";

const scores = Float32Array.from({ length: 1_000 }, (_, index) => 1 / (index + 2));
const predicted = framed(
  Buffer.concat(
    predictResponseSegments({
      model: { name: "bench", version: 1n },
      outputs: new Map([["scores", float32Tensor([1, 1_000], scores)]]),
      signatureName: "serving_default",
    }),
  ),
);
const status = framed(
  toBinary(
    GetModelStatusResponseSchema,
    create(GetModelStatusResponseSchema, {
      modelVersionStatus: [{ version: 1n, state: State.AVAILABLE }],
    }),
  ),
);

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

const server = http2.createServer({ settings: { initialWindowSize: 4_194_304 } });
server.on("session", (session) => session.setLocalWindowSize(16_777_216));
server.on("stream", (stream, headers) => {
  const reply = headers[":path"]?.endsWith("/Predict") ? predicted : status;
  stream.on("error", () => {});
  stream.on("data", () => {});
  stream.on("end", () => {
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(reply);
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`);
});
