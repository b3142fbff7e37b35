// An endpoint of your own: POST a picture to /what-is-it, get one word back.
import { ScoringClient, ScoringError } from "@tensorgate/client";
import express from "express";

const client = new ScoringClient();
const app = express();

app.post(
  "/what-is-it",
  express.raw({ type: () => true, limit: "20mb" }),
  async (request, response) => {
    // If the client disconnects, the call is aborted.
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    try {
      const [best] = await client.classify("shapes", request.body, {
        topK: 1,
        signal: gone.signal,
      });
      response.json({ label: best?.label, score: best?.score });
    } catch (error) {
      if (!ScoringError.is(error)) throw error;
      const isCallers = ["invalid-request", "unsupported-media", "too-large"].includes(
        error.reason,
      );
      response.status(isCallers ? 400 : 502).json({ reason: error.reason, message: error.message });
    }
  },
);

const server = app.listen(Number(process.env["PORT"] ?? 3_000), "127.0.0.1", () => {
  console.log("listening at", server.address());
});
process.once("SIGTERM", () => {
  server.close(() => client.close());
});
