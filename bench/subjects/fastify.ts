// What a user would write in JavaScript: Fastify in front, proto-loader and grpc-js behind. Prints its port.
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import fastify from "fastify";

interface PredictReply {
  readonly outputs: { readonly scores: { readonly floatVal: readonly number[] } };
}

interface PredictionClient {
  predict(request: object, done: (error: Error | null, reply: PredictReply) => void): void;
}

const protoFolder = fileURLToPath(new URL("../../proto", import.meta.url));
const definition = loadSync("tensorflow_serving/prediction_service.proto", {
  includeDirs: [protoFolder],
});
const loaded = grpc.loadPackageDefinition(definition) as unknown as {
  tensorflow: {
    serving: {
      PredictionService: new (
        address: string,
        credentials: grpc.ChannelCredentials,
      ) => PredictionClient;
    };
  };
};
const client = new loaded.tensorflow.serving.PredictionService(
  `127.0.0.1:${process.argv[2]}`,
  grpc.credentials.createInsecure(),
);

const app = fastify({ bodyLimit: 33_554_432 });
app.addContentTypeParser("image/jpeg", { parseAs: "buffer" }, (_request, body, done) => {
  done(null, body);
});
app.post<{ Body: Buffer | { readonly image: { readonly b64: string } } }>(
  "/v1/classify/bench",
  async ({ body }) => {
    const picture = Buffer.isBuffer(body) ? body : Buffer.from(body.image.b64, "base64");
    const reply = await new Promise<PredictReply>((resolve, reject) => {
      client.predict(
        {
          modelSpec: { name: "bench" },
          inputs: {
            images: {
              dtype: "DT_STRING",
              tensorShape: { dim: [{ size: 1 }] },
              stringVal: [picture],
            },
          },
          outputFilter: ["scores"],
        },
        (error, answer) => (error ? reject(error) : resolve(answer)),
      );
    });
    const labels = reply.outputs.scores.floatVal
      .map((score, index) => ({ index, label: `label ${index}`, score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 5);
    return { results: [{ labels }] };
  },
);
await app.listen({ port: 0, host: "127.0.0.1" });
const address = app.server.address();
process.stdout.write(`port ${typeof address === "object" ? address?.port : ""}\n`);
