import { expectTypeOf, test } from "vitest";
import type { ScoringClient } from "./index.ts";

interface Catalog {
  readonly shapes: { readonly tasks: "classify" | "embed"; readonly labels: "moon" | "star" };
  readonly boxes: { readonly tasks: "detect"; readonly labels: "moon" };
  readonly sums: { readonly tasks: "predict"; readonly labels: never };
}

test("a client with a catalog knows names, tasks and labels", () => {
  const typed = (client: ScoringClient<Catalog>) => {
    // @ts-expect-error: no model of that name
    void client.classify("shape", "a.jpg");
    // @ts-expect-error: that one does not classify
    void client.classify("boxes", "a.jpg");
    // @ts-expect-error: no model has that name
    void client.models.get("nothing");
    return {
      labels: client.classify("shapes", "a.jpg").then(([best]) => best?.label),
      boxes: client.detect("boxes", "a.jpg").then(({ boxes }) => boxes[0]?.label),
      features: client.embed("shapes", "a.jpg"),
    };
  };
  type Typed = ReturnType<typeof typed>;
  expectTypeOf<Awaited<Typed["labels"]>>().toEqualTypeOf<"moon" | "star" | undefined>();
  expectTypeOf<Awaited<Typed["boxes"]>>().toEqualTypeOf<"moon" | undefined>();
});

test("a client without a catalog takes any name", () => {
  const untyped = (client: ScoringClient) =>
    client.classify("anything", "a.jpg").then(([best]) => best?.label);
  expectTypeOf<Awaited<ReturnType<typeof untyped>>>().toEqualTypeOf<string | undefined>();
});
