import { ScoringClient, ScoringError } from "@tensorgate/client";
import express from "express";

const client = new ScoringClient();
const app = express();

const form = `<!doctype html>
<title>What is it?</title>
<form method="post" action="/what-is-it" enctype="multipart/form-data">
  <input type="file" name="picture" accept="image/*" required>
  <button>What is it?</button>
</form>`;
app.get("/", (_request, response) => {
  response.type("html").send(form);
});

const body = express.raw({ type: "multipart/form-data", limit: "20mb" });
app.post("/what-is-it", body, async (request, response) => {
  // Node reads forms itself; no further package is needed.
  const headers = { "content-type": request.get("content-type") ?? "" };
  const fields = await new Response(request.body, { headers }).formData().catch(() => undefined);
  const picture = fields?.get("picture");
  if (!(picture instanceof Blob)) {
    response.status(400).send("no picture");
    return;
  }
  try {
    const [best] = await client.classify("shapes", picture, { topK: 1 });
    response.type("text").send(best?.label);
  } catch (error) {
    if (!ScoringError.is(error)) throw error;
    const isCallers = ["invalid-request", "unsupported-media", "too-large"].includes(error.reason);
    response
      .status(isCallers ? 400 : 502)
      .type("text")
      .send(error.message);
  }
});

const server = app.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  console.log("listening at", server.address());
});
