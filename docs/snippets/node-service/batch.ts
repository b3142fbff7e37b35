import { glob } from "node:fs/promises";
import { ScoringClient } from "@tensorgate/client";

const client = new ScoringClient({ baseUrl: "http://127.0.0.1:8080" });

for await (const outcome of client.classifyAll("shapes", glob("*.jpg"), { concurrency: 4 })) {
  if (outcome.ok) console.log(outcome.input, outcome.value[0]?.label);
  else console.error(outcome.error.message);
}
client.close();
