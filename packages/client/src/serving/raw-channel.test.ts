import { expect, test } from "vitest";
import { createRawChannel } from "./raw-channel.ts";

test("a call without the gRPC library says what to install", async () => {
  const missing = new Error("Cannot find package '@grpc/grpc-js'");
  const channel = createRawChannel("127.0.0.1:1", false, () => Promise.reject(missing));
  const attempt = {
    signal: new AbortController().signal,
    timeoutMs: 1_000,
    headers: {},
    onHeader: () => {},
  };

  await expect(channel.unary(Buffer.alloc(0), attempt)).rejects.toMatchObject({
    reason: "failed-precondition",
    message: "PredictionClient needs the package @grpc/grpc-js",
    hint: "npm install @grpc/grpc-js",
    cause: missing,
  });
  channel.close();
});
