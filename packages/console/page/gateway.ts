import {
  type ClassifyOptions,
  type Detections,
  type DetectOptions,
  type LabelScore,
  type ModelInfo,
  type PictureInput,
  type ResponseMeta,
  ScoringClient,
  type WithMeta,
} from "@tensorgate/web-client";
import { createCallRecorder } from "./calls/recorder.ts";

/** The response to a picture, by task. */
export type Answer =
  | { readonly task: "classify"; readonly labels: WithMeta<readonly LabelScore[]> }
  | { readonly task: "detect"; readonly found: WithMeta<Detections> }
  | { readonly task: "embed"; readonly features: WithMeta<Float32Array> }
  | { readonly task: "predict"; readonly requestId: string };

export type PageTask = Answer["task"];

/** Tasks of the page, the preferred one first. */
export const pageTasks: readonly PageTask[] = ["detect", "classify", "embed", "predict"];

/** A model, and what the page asks of it. */
export interface PageModel extends ModelInfo {
  readonly pageTask: PageTask;
}

/** What the controls set; undefined for the default of the model. */
export interface Settings {
  readonly atMost?: number | undefined;
  readonly minScore?: number | undefined;
  readonly iouThreshold?: number | undefined;
}

/** The key that the user typed in; it is not stored. */
let key: string | undefined;

export function useKey(typed: string): void {
  key = typed || undefined;
}

/** Records every call of the page that has a body. */
export const recorder = createCallRecorder();

export const client: ScoringClient = new ScoringClient({
  apiKey: () => key as string,
  // Users of the page wait no longer.
  deadlineMs: 15_000,
  fetch: recorder.fetch,
});

/** Returns the headers with the key, for calls without the client. */
export function keyHeaders(): Record<string, string> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/** Returns the options of a call; a setting that the user did not touch is left to the gateway. */
export function optionsOf(
  task: PageTask,
  { atMost, minScore, iouThreshold }: Settings,
): ClassifyOptions | DetectOptions {
  const options =
    task === "classify"
      ? { topK: atMost, minScore }
      : task === "detect"
        ? { minScore, iouThreshold, maxDetections: atMost }
        : {};
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

export async function score(
  { name, pageTask }: PageModel,
  picture: PictureInput,
  settings: Settings,
): Promise<Answer> {
  const options = optionsOf(pageTask, settings);
  switch (pageTask) {
    case "classify":
      return { task: pageTask, labels: await client.classify(name, picture, options) };
    case "detect":
      return { task: pageTask, found: await client.detect(name, picture, options) };
    case "embed":
      return { task: pageTask, features: await client.embed(name, picture) };
    case "predict":
      return predict(name, JSON.stringify({ instances: [{ b64: await base64Of(picture) }] }));
  }
}

/**
 * Sends a body of TensorFlow Serving's REST API.
 *
 * @throws Error with the text of the gateway, or that of the network
 */
export async function predict(name: string, body: string): Promise<Answer> {
  const requestId = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  const response = await recorder.fetch(`/v1/models/${encodeURIComponent(name)}:predict`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": requestId, ...keyHeaders() },
    body,
  });
  if (response.ok) return { task: "predict", requestId };
  const { error } = (await response.json()) as { readonly error?: string };
  throw new Error(error ?? `HTTP ${response.status}`);
}

async function base64Of(picture: PictureInput): Promise<string> {
  const blob = picture instanceof HTMLCanvasElement ? await pngOf(picture) : (picture as Blob);
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function pngOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the drawing is empty"))));
  });
}

/** Returns the metadata of an answer; `predict` has its request id only. */
export function metaOf(answer: Answer): Pick<ResponseMeta, "requestId"> & Partial<ResponseMeta> {
  switch (answer.task) {
    case "classify":
      return answer.labels.meta;
    case "detect":
      return answer.found.meta;
    case "embed":
      return answer.features.meta;
    case "predict":
      return answer;
  }
}
