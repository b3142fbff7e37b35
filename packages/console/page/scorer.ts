import { type PageModel, type Settings, score } from "./gateway.ts";
import { createLatestOnly } from "./latest-only.ts";
import type { PagePicture } from "./picture/page-picture.ts";

/** What to ask of each picture. */
export interface ScoreQuery {
  readonly model: PageModel;
  readonly settings: Settings;
}

export interface Scorer {
  /** Scores the first picture immediately, and then the others; a later query replaces an earlier one. */
  score(query: ScoreQuery, pictures: readonly PagePicture[]): void;
}

/** Calls in flight for the pictures after the first. */
const concurrency = 4;

/** Creates a scorer. @param onOutcome - called with each picture that has an outcome of the latest query */
export function createScorer(onOutcome: (picture: PagePicture) => void): Scorer {
  let latest = 0;

  async function scoreOne({ model, settings }: ScoreQuery, picture: PagePicture): Promise<void> {
    const startMs = performance.now();
    try {
      const answer = await score(model, picture.input, settings);
      picture.outcome = { ok: true, answer, elapsedMs: performance.now() - startMs };
    } catch (error) {
      picture.outcome = { ok: false, error };
    }
    onOutcome(picture);
  }

  async function scoreOthers(query: ScoreQuery, pictures: readonly PagePicture[], run: number) {
    const left = [...pictures];
    const lane = async () => {
      for (let next = left.shift(); next && run === latest; next = left.shift()) {
        await scoreOne(query, next);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }

  const scoreFirst = createLatestOnly(
    ({ query, picture }: { query: ScoreQuery; picture: PagePicture }) => scoreOne(query, picture),
  );

  return {
    score: (query, [first, ...others]) => {
      latest += 1;
      if (first) scoreFirst({ query, picture: first });
      void scoreOthers(query, others, latest);
    },
  };
}
