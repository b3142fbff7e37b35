import { PredictionClient } from "@tensorgate/client";

const client = new PredictionClient({
  address: "10.0.0.4",
  port: 80,
  serviceName: "my-service",
  family: "resnet-50",
});
const scores = await client.scoreFile("cat.jpg", { outputs: "output_alias" });
console.log(scores.shape);
await client.close();
