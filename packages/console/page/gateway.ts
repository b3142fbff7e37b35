import {
  type Detections,
  type LabelScore,
  type ModelInfo,
  type PictureInput,
  ScoringClient,
  type WithMeta,
} from "@tensorgate/web-client";
import { element } from "./elements.ts";

/** The response to a picture, for either task. */
export type Answer = WithMeta<readonly LabelScore[]> | WithMeta<Detections>;

export type PageTask = "classify" | "detect";

/** A model that scores pictures. */
export interface PageModel extends ModelInfo {
  readonly pageTask: PageTask;
}

/** The key that the user typed in; it is not stored. */
let key: string | undefined;

export const client: ScoringClient = new ScoringClient({
  apiKey: () => key as string,
  // Users of the page wait no longer.
  deadlineMs: 15_000,
});

/** Returns the headers with the key, for calls without the client. */
export function keyHeaders(): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/** Asks for a key, and calls `onKey` when it is entered. */
export function askForKey(onKey: () => void): void {
  const form = element<HTMLFormElement>("key-form");
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    key = element<HTMLInputElement>("key").value || undefined;
    onKey();
  };
}

export function score(
  model: PageModel,
  picture: PictureInput,
  signal?: AbortSignal,
): Promise<Answer> {
  const options = signal ? { signal } : {};
  return model.pageTask === "detect"
    ? client.detect(model.name, picture, options)
    : client.classify(model.name, picture, options);
}
