import { expect, test } from "vitest";
import { seededRandom } from "../mutate.ts";
import { piece, recipeName, type Site } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import type { CostRig, Probe } from "./rig.ts";
import { type SearchResult, search } from "./search.ts";

interface FakeCost {
  readonly cpuMs: number;
  readonly stallMs?: number;
}

/** Bytes of an ordinary picture that are read in a millisecond. */
const ordinaryBytesPerMs = 2 ** 17;

function siteOf(name: string, pieces: readonly string[]): Site {
  return { name, pieces: pieces.map((each) => piece(each)), wrap: (content) => content };
}

function targetOf(name: string, given: Partial<CostTarget> & Pick<CostTarget, "sites">) {
  const target: CostTarget = {
    name,
    family: "ordinary",
    parser: name,
    group: name,
    maxBytes: 2 ** 25,
    send: (body) => ({ path: "", body }),
    ordinary: () => ({ path: "" }),
    ...given,
  };
  return target;
}

/** Searches for `seconds` of a clock that only measures move: each takes as long as it costs, and 5 ms. */
async function searched(
  targets: readonly CostTarget[],
  costOf: (probe: Probe, bytes: number) => FakeCost | undefined,
  seconds: number,
): Promise<SearchResult & { readonly probes: readonly Probe[] }> {
  let nowMs = 0;
  const probes: Probe[] = [];
  const measure: CostRig["measure"] = async (probe, times) => {
    const bytes = Math.min(probe.length, probe.target.maxBytes);
    const ordinaryMs = bytes / ordinaryBytesPerMs;
    const { cpuMs, stallMs = 0 } = costOf(probe, bytes) ?? { cpuMs: ordinaryMs };
    nowMs += (cpuMs + 5) * times;
    probes.push(probe);
    const usual = { memoryBytes: 0, end: "answered" } as const;
    return {
      bytes,
      cost: { ...usual, cpuMs, stallMs },
      ordinary: { ...usual, cpuMs: ordinaryMs, stallMs: 0 },
    };
  };
  const result = await search({
    rigs: [{ measure, compare: measure, [Symbol.asyncDispose]: async () => {} }],
    targets,
    known: [],
    random: seededRandom(1),
    now: () => nowMs,
    isDone: () => nowMs > seconds * 1_000,
    onWorse: () => {},
  });
  return { ...result, probes };
}

const names = (length: number) => Array.from({ length }, (_, index) => `piece ${index}`);
const has = ({ recipe }: Probe, name: string) => recipeName(recipe).includes(name);

test("targets that are long to measure take no time from the others", async () => {
  const dear = Array.from({ length: 50 }, (_, index) =>
    targetOf(`dear ${index}`, { group: "dear", sites: [siteOf("fields", names(50))] }),
  );
  const form = targetOf("form", { sites: [siteOf("parts", [...names(1_000), "empty part"])] });

  const { worst } = await searched(
    [...dear, form],
    (probe, bytes) => {
      if (probe.target.group === "dear") return { cpuMs: 5_000 };
      return has(probe, "empty part") ? { cpuMs: (bytes / ordinaryBytesPerMs) * 50 } : undefined;
    },
    300,
  );

  const found = worst.find(({ target }) => target === form);
  expect(found && recipeName(found.recipe)).toContain("empty part");
});

test("what is no dearer than a picture but keeps the loop is measured at full length", async () => {
  const picture = targetOf("picture", { sites: [siteOf("chunks", [...names(40), "empty chunk"])] });

  const { stalls } = await searched(
    [picture],
    (probe, bytes) => {
      const cpuMs = bytes / ordinaryBytesPerMs;
      return has(probe, "empty chunk") ? { cpuMs, stallMs: cpuMs } : undefined;
    },
    60,
  );

  expect(stalls.map(({ recipe, bytes }) => [recipe.unit.at(-1)?.name, bytes])).toEqual([
    ['"empty chunk"', picture.maxBytes],
  ]);
});

test("a stall of one site does not hide the stall of another", async () => {
  const sites = [siteOf("JPEG", ["fill"]), siteOf("WebP", ["chunk"])];
  const picture = targetOf("picture", { sites });

  const { stalls } = await searched(
    [picture],
    (probe, bytes) => {
      const cpuMs = bytes / ordinaryBytesPerMs;
      return { cpuMs, stallMs: probe.recipe.site.name === "JPEG" ? cpuMs : cpuMs / 2 };
    },
    60,
  );

  expect(stalls.map(({ recipe }) => recipe.site.name).toSorted()).toEqual(["JPEG", "WebP"]);
});

test("what is bad at one target is tried at the targets of the same parser", async () => {
  const protocols = ["proto", "grpc", "grpc-web"].map((name) =>
    targetOf(name, { parser: "message", group: "rpc", sites: [siteOf("fields", names(30))] }),
  );

  const { worst } = await searched(
    protocols,
    (probe, bytes) =>
      has(probe, "piece 17") ? { cpuMs: (bytes / ordinaryBytesPerMs) * 100 } : undefined,
    60,
  );

  expect(worst.filter(({ cpuRatio }) => cpuRatio > 50).map(({ target }) => target)).toEqual(
    expect.arrayContaining(protocols),
  );
});

test("every site gets small and large bodies", async () => {
  const sites = Array.from({ length: 20 }, (_, index) => siteOf(`site ${index}`, names(10)));

  const { probes } = await searched([targetOf("all", { sites })], () => undefined, 60);

  for (const { name } of sites) {
    const lengths = probes
      .filter(({ recipe }) => recipe.site.name === name)
      .map(({ length }) => length);
    expect(Math.min(...lengths)).toBeLessThanOrEqual(2 ** 16);
    expect(Math.max(...lengths)).toBeGreaterThanOrEqual(2 ** 23);
  }
});
