import { ScoringClient } from "@tensorgate/client";

// TENSORGATE_URL and TENSORGATE_API_KEY, or http://127.0.0.1:8080 without a key.
await using client = new ScoringClient();

const labels = await client.classify("shapes", "examples/pictures/star.jpg", { topK: 1 });
console.log(labels[0]?.label, labels.meta.region);

const { boxes } = await client.detect("shapes-detector", "examples/pictures/scene-1.jpg");
for (const { label, box } of boxes) console.log(label, Math.round(box.x), Math.round(box.y));

// Many pictures, a few at a time, each as soon as it is known.
const pictures = ["moon", "heart", "nowhere"].map((name) => `examples/pictures/${name}.jpg`);
for await (const outcome of client.classifyAll("shapes", pictures, { concurrency: 4 })) {
  if (outcome.ok) console.log(outcome.input, outcome.value[0]?.label);
  else console.log(outcome.input, outcome.error.message);
}
