import {
  type Detections,
  type LabelScore,
  type ModelInfo,
  type PictureInput,
  ScoringClient,
  type WithMeta,
} from "@tensorgate/web-client";
import { element } from "./elements.ts";

/** An answer to a picture, whatever was asked. */
export type Answer = WithMeta<readonly LabelScore[]> | WithMeta<Detections>;

export type PageTask = "classify" | "detect";

/** A model that the page can show something of. */
export interface PageModel extends ModelInfo {
  readonly pageTask: PageTask;
}

/** A key that was typed in; kept nowhere but here. */
let key: string | undefined;

export const client: ScoringClient = new ScoringClient({
  apiKey: () => key as string,
  // A page that shows what happens tries again by itself.
  deadlineMs: 15_000,
});

/** What is sent to say who calls, beside what the client sends itself. */
export function keyHeaders(): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/** Asks for a key, and tells when one was given. */
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
