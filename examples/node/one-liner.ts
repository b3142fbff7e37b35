import { ScoringClient } from "@tensorgate/client";

console.log(
  await new ScoringClient().classify("shapes", "examples/pictures/star.jpg", { topK: 1 }),
);
