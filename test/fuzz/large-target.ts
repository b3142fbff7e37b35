import { buildBody, freshRecipe } from "./cost/body.ts";
import type { CostTarget } from "./cost/cost-target.ts";
import { costTargets } from "./cost/targets.ts";
import { pick } from "./mutate.ts";
import { httpSend } from "./send.ts";
import type { FuzzTarget } from "./targets.ts";

/** Entry points that take a body; without what only the cost of a reply, or of raw bytes, is measured by. */
const bodies: readonly CostTarget[] = costTargets.filter(
  ({ name, countsMessages }) =>
    !/^reply|chunks|frame|query|path|headers|Watch/.test(name) && !countsMessages,
);
/** Shortest and longest of them, by the power of two. */
const largeBits = { min: 16, max: 24 } as const;

/** What the cost fuzzer builds, of any length: parsed, or refused, but answered, and without a fault of ours. */
export const large: FuzzTarget = {
  name: "large",
  input: (random) => {
    const target = pick(random, bodies);
    const recipe = freshRecipe(target.sites, random);
    const length = 2 ** (largeBits.min + random() * (largeBits.max - largeBits.min));
    const {
      path,
      headers = {},
      body = Buffer.alloc(0),
    } = target.send(buildBody(recipe, Math.min(length, target.maxBytes)), recipe.site);
    return { path, headers, bytes: body };
  },
  run: httpSend,
};
