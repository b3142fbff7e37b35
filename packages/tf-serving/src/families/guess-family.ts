import type { FamilyName } from "./family.ts";

/** What a server reports of a model, as far as it may show its topology. */
export interface ModelClues {
  readonly modelName: string;
  /** Of its outputs, in the graph or on the wire. */
  readonly outputNames: readonly string[];
  /** Values that each output gives for one picture; undefined where that is not known. */
  readonly outputWidths: readonly (number | undefined)[];
}

export interface FamilyGuess {
  readonly family: FamilyName;
  /** What gave it away, and how sure that is. */
  readonly because: "graph" | "name";
}

/** Scopes that the graphs of the families have. */
const scopes: readonly (readonly [RegExp, FamilyName])[] = [
  [/resnet_v1_50\b|resnet_v1_50\//, "resnet-50"],
  [/resnet_v1_152/, "resnet-152"],
  [/densenet_?121/, "densenet-121"],
  [/vgg_16\//, "vgg-16"],
  [/ssd_300_vgg/, "ssd-vgg"],
];

/** What a stock server calls the twelve outputs of SSD-VGG. */
const headAliases = Array.from({ length: 12 }, (_, index) => `out_${index}`);

/** What people call models of the families. */
const callNames: readonly (readonly [RegExp, FamilyName])[] = [
  [/res(net)?[-_ ]?(v1[-_ ]?)?152/i, "resnet-152"],
  [/res(net)?[-_ ]?(v1[-_ ]?)?50/i, "resnet-50"],
  [/dense(net)?[-_ ]?121/i, "densenet-121"],
  [/vgg[-_ ]?16/i, "vgg-16"],
];

/** The family that a model is of, by the names in its graph, or else by its own. */
export function guessFamily({
  modelName,
  outputNames,
  outputWidths,
}: ModelClues): FamilyGuess | undefined {
  const byGraph = scopes.find(([scope]) => outputNames.some((name) => scope.test(name)));
  if (byGraph) return { family: byGraph[1], because: "graph" };
  const isHead = headAliases.every((alias) => outputNames.includes(alias));
  if (isHead) return { family: "ssd-vgg", because: "graph" };
  const byName = callNames.find(([called]) => called.test(modelName));
  if (!byName) return undefined;
  const [, family] = byName;
  // A name alone is believed only where the shapes do not speak against it.
  const fits = outputWidths.some((width) => width === 1_000 || width === 1_001);
  return fits ? { family, because: "name" } : undefined;
}
