import { ScoringClient, ScoringError } from "@tensorgate/web-client";

const client = new ScoringClient({ baseUrl: "http://127.0.0.1:8080" });
const answer = document.querySelector("#answer");
let latest = new AbortController();

document.querySelector("#picture").addEventListener("change", async ({ target }) => {
  // Choosing another picture ends the call for the one before.
  latest.abort();
  latest = new AbortController();
  const { signal } = latest;
  answer.textContent = "…";
  try {
    const labels = await client.classify("shapes", target.files[0], { topK: 3, signal });
    answer.textContent = labels
      .map(({ label, score }) => `${label} ${(score * 100).toFixed(0)} %`)
      .join(", ");
  } catch (error) {
    if (signal.aborted) return;
    answer.textContent = ScoringError.is(error) ? error.message : "Something went wrong.";
  }
});
