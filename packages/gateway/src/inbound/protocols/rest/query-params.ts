import { cutText, InvalidRequestError, meantName } from "@tensorgate/core";

/** Query parameters of every call with pictures. */
export const pictureParams: readonly string[] = ["version", "versionLabel", "signature", "region"];

/** Those of a classification, beside them. */
export const classifyParams = ["topK", "minScore"] as const;

/** Those of a detection, beside them. */
export const detectParams = ["minScore", "iouThreshold", "maxCandidates", "maxDetections"] as const;

/** Those of all tasks. */
export const queryParams: readonly string[] = [
  ...pictureParams,
  ...classifyParams,
  ...detectParams,
];

/** What other libraries and servers call our parameters. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ["top", "topK"],
  ["k", "topK"],
  ["limit", "topK"],
  ["score", "minScore"],
  ["threshold", "minScore"],
  ["scoreThreshold", "minScore"],
  ["confidence", "minScore"],
  ["conf", "minScore"],
  ["iou", "iouThreshold"],
  ["overlap", "iouThreshold"],
  ["nmsThreshold", "iouThreshold"],
  ["maxBoxes", "maxDetections"],
]);

/** Most characters of a name that a message shows. */
const maxShownChars = 40;

/**
 * Rejects misspelt and repeated parameters, which would otherwise leave another value in force without a word.
 *
 * @throws InvalidRequestError for the first one, with what was meant
 */
export function assertParams(query: URLSearchParams, names: readonly string[]): void {
  for (const name of query.keys()) {
    const field = cutText(name, maxShownChars);
    if (!names.includes(name)) {
      const meant = meantParam(name, names);
      throw new InvalidRequestError(`unknown query parameter "${field}"`, {
        field,
        hint:
          meant === undefined ? `parameters here: ${names.join(", ")}` : `did you mean ${meant}?`,
      });
    }
    const count = query.getAll(name).length;
    if (count > 1) {
      throw new InvalidRequestError(`query parameter "${field}" is given ${count} times`, {
        field,
        hint: "give it once",
      });
    }
  }
}

/** Rejects a field of a form that is a query parameter, which would otherwise have no effect. @throws InvalidRequestError */
export function assertNoParam(field: string): void {
  if (!queryParams.includes(field)) return;
  throw new InvalidRequestError(`field "${field}" has no effect in a form`, {
    field,
    hint: `set it in the query: ?${field}=…`,
  });
}

/** Returns the one of `names` that was probably meant, also under the name that it has elsewhere; or else undefined. */
export function meantParam(name: string, names: readonly string[]): string | undefined {
  const others = [...otherNames].filter(([, ours]) => names.includes(ours));
  const meant = meantName(name, [...names, ...others.map(([other]) => other)]);
  return meant === undefined ? undefined : (otherNames.get(meant) ?? meant);
}
