import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { ScoringClient, ScoringError } from "@tensorgate/client";

const client = new ScoringClient({ baseUrl: "http://127.0.0.1:8080", deadlineMs: 5_000 });

const server = createServer(async (request, response) => {
  const reply = (status: number, body: object) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify(body)}\n`);
  };
  // If the caller disconnects, the call to the gateway is aborted.
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  try {
    const picture = await buffer(request);
    const labels = await client.classify("shapes", picture, { topK: 1, signal: gone.signal });
    reply(200, { label: labels[0]?.label, region: labels.meta.region });
  } catch (error) {
    if (!ScoringError.is(error)) return reply(500, { reason: "internal" });
    const isCallers = ["invalid-request", "unsupported-media", "too-large"].includes(error.reason);
    reply(isCallers ? 400 : 502, { reason: error.reason, message: error.message });
  }
});

server.listen(3000, "127.0.0.1", () => console.log("listening at http://127.0.0.1:3000"));
