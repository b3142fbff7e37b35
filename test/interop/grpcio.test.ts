import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startAnsweringGateway } from "../support/answering-gateway.ts";
import { hasPython, pythonWith } from "../support/python.ts";
import type { RunningGateway } from "../support/running-gateway.ts";

const key = `tg_app_${"s".repeat(43)}`;
const sha256 = createHash("sha256").update(key).digest("hex");

/** Calls a method with nothing of ours, and prints the status as the client sees it. */
const script = `
import sys, grpc
address, key, compression, path, kind = sys.argv[1:]
channel = grpc.insecure_channel(address)
metadata = [("x-api-key", key)] if key else []
same = dict(request_serializer=bytes, response_deserializer=bytes)
options = dict(timeout=20, metadata=metadata)
if compression: options["compression"] = getattr(grpc.Compression, compression)
try:
    if kind == "unary":
        print("OK", len(channel.unary_unary(path, **same)(b"", **options)))
    elif kind == "server":
        print("OK", len(next(channel.unary_stream(path, **same)(b"", **options))))
    else:
        for answer in channel.stream_stream(path, **same)(iter([b""]), **options): print("OK", len(answer))
except grpc.RpcError as error:
    print(error.code().name, error.details())
`;

describe.runIf(hasPython)("grpcio", () => {
  let python: string | undefined;
  let running: RunningGateway;
  beforeAll(async () => {
    python = pythonWith(["grpcio"]);
    running = await startAnsweringGateway({ keys: [{ id: "app", sha256, models: ["*"] }] });
  });
  afterAll(() => running[Symbol.asyncDispose]());

  const listModels = { path: "/tensorgate.v1.CatalogService/ListModels", kind: "unary" };
  const classify = { path: "/tensorgate.v1.ScoringService/Classify", kind: "unary" };
  const watchStatus = { path: "/tensorgate.v1.StatusService/WatchStatus", kind: "server" };
  const classifyStream = { path: "/tensorgate.v1.ScoringService/ClassifyStream", kind: "bidi" };
  const reflection = {
    path: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    kind: "bidi",
  };

  // https://github.com/dotnet/aspnetcore/issues/4744, https://github.com/grpc/grpc-java/issues/10124,
  // https://github.com/grpc/grpc-go/issues/658 and https://github.com/grpc/grpc/issues/36770: refusals that this client
  // sees as UNKNOWN, without their text.
  test.for([
    ...[listModels, classify, watchStatus, classifyStream, reflection].map((method) => ({
      key: "",
      compression: "",
      seen: "UNAUTHENTICATED missing API key",
      method,
    })),
    {
      key: `${key}x`,
      compression: "",
      method: listModels,
      seen: "UNAUTHENTICATED invalid API key",
    },
    {
      key,
      compression: "Deflate",
      method: classify,
      seen: "INVALID_ARGUMENT model_spec is missing",
    },
    { key, compression: "Gzip", method: listModels, seen: "OK" },
    { key, compression: "Deflate", method: listModels, seen: "OK" },
    { key, compression: "", method: watchStatus, seen: "OK" },
    { key, compression: "", method: classify, seen: "INVALID_ARGUMENT model_spec is missing" },
    {
      key,
      compression: "",
      method: { path: "/tensorgate.v1.ScoringService/Nothing", kind: "unary" },
      seen: "UNIMPLEMENTED unknown method /tensorgate.v1.ScoringService/Nothing",
    },
  ])("$method.path, $method.kind, $compression: $seen", async (call, context) => {
    if (!python) return context.skip("the packages of Python are out of reach");
    const { compression, method, seen } = call;
    const address = `127.0.0.1:${running.gateway.port}`;
    const args = ["-c", script, address, call.key, compression, method.path, method.kind];

    const { stdout } = await promisify(execFile)(python, args);

    expect(stdout.trimEnd().startsWith(seen)).toBe(true);
  });
});
