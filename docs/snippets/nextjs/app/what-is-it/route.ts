import { ScoringClient, ScoringError } from "@tensorgate/client";

// TENSORGATE_URL and TENSORGATE_API_KEY: the key stays on the server.
const client = new ScoringClient();

export async function POST(request: Request): Promise<Response> {
  const picture = (await request.formData()).get("picture");
  if (!(picture instanceof Blob)) {
    return Response.json({ reason: "invalid-request", message: "no picture" }, { status: 400 });
  }
  try {
    const { signal } = request;
    const [best] = await client.classify("shapes", picture, { topK: 1, signal });
    return Response.json({ label: best?.label, score: best?.score });
  } catch (error) {
    if (!ScoringError.is(error)) throw error;
    const isCallers = ["invalid-request", "unsupported-media", "too-large"].includes(error.reason);
    const body = { reason: error.reason, message: error.message };
    return Response.json(body, { status: isCallers ? 400 : 502 });
  }
}
