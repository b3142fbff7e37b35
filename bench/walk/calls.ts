import http from "node:http";
import http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  ClassifyStreamRequestSchema,
  PredictRequestSchema,
} from "@tensorgate/proto/tensorgate/v1/scoring";
import { samplePicture } from "../../test/support/pictures.ts";
import { framed } from "../../test/support/raw-rpc.ts";

/** Makes calls over one connection that stays open, with nothing of ours; fails unless the call is answered. */
export interface Caller extends Disposable {
  call(): Promise<void>;
}

/** Sends a JPEG as it is by HTTP/1.1. */
export function restCaller(port: number, path: string): Caller {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const picture = samplePicture("star");
  const headers = { "content-type": "image/jpeg", "content-length": picture.length };
  return {
    call: () =>
      new Promise((resolve, reject) => {
        const request = http.request({ port, path, method: "POST", headers, agent });
        request.on("error", reject);
        request.on("response", (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => {
            if (response.statusCode === 200) return resolve();
            reject(new Error(`${path}: ${response.statusCode} ${Buffer.concat(chunks)}`));
          });
        });
        request.end(picture);
      }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** Makes one gRPC call with one message. */
export function grpcCaller(port: number, method: "Predict" | "ClassifyStream"): Caller {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const message = framed(method === "Predict" ? predictMessage() : streamMessage());
  const path = `/tensorgate.v1.ScoringService/${method}`;
  const headers = { "content-type": "application/grpc", te: "trailers" };
  return {
    call: () =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ":method": "POST", ":path": path, ...headers });
        let status: http2.IncomingHttpHeaders = {};
        let length = 0;
        stream.on("error", reject);
        stream.on("response", (received) => {
          status = received;
        });
        stream.on("trailers", (received) => {
          status = received;
        });
        stream.on("data", (chunk: Buffer) => {
          length += chunk.length;
        });
        stream.on("end", () => {
          if (status["grpc-status"] === "0" && length > 5) return resolve();
          reject(new Error(`${path}: ${status["grpc-status"]} ${status["grpc-message"]}`));
        });
        stream.end(message);
      }),
    [Symbol.dispose]: () => session.destroy(),
  };
}

function predictMessage(): Uint8Array {
  const data = new Uint8Array(Float32Array.of(1, 2).buffer);
  const request = create(PredictRequestSchema, {
    modelSpec: { name: "classifier" },
    inputs: { x: { dtype: "FP32", shape: [2n], values: { case: "data", value: data } } },
    outputFilter: ["y"],
  });
  return toBinary(PredictRequestSchema, request);
}

function streamMessage(): Uint8Array {
  const request = create(ClassifyStreamRequestSchema, {
    modelSpec: { name: "classifier" },
    picture: { id: "star", source: { case: "data", value: samplePicture("star") } },
  });
  return toBinary(ClassifyStreamRequestSchema, request);
}
