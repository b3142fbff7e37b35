import { type Head, referencePicture, teach } from "@tensorgate/teaching";
import { client } from "../gateway.ts";
import type { TeachClass, TeachPicture } from "./teach-classes.ts";

/** Calls in flight while features are asked for. */
const concurrency = 6;

export interface Trained {
  readonly head: Head;
  readonly trainedMs: number;
}

export interface TrainOptions {
  /** Model with features. */
  readonly model: string;
  readonly onProgress: (done: number, total: number) => void;
}

/**
 * Asks the gateway for features that are not there yet, and trains a head on them in this page.
 *
 * @throws ClientError, or InvalidRequestError that says what is missing
 */
export async function train(
  classes: readonly TeachClass[],
  { model, onProgress }: TrainOptions,
): Promise<Trained> {
  const reference = await client.embed(
    model,
    new Blob([referencePicture()], { type: "image/png" }),
  );
  const all = classes.flatMap(({ pictures }) => pictures);
  const left: TeachPicture[] = all.filter(({ features }) => !features);
  let done = all.length - left.length;
  const lane = async () => {
    for (let next = left.pop(); next; next = left.pop()) {
      next.features = Float32Array.from(await client.embed(model, next.blob));
      done += 1;
      onProgress(done, all.length);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  const startMs = performance.now();
  const examples = classes.flatMap(({ name, pictures }, classIndex) =>
    pictures.flatMap(({ features }, at) =>
      features ? [{ id: `${name} ${at + 1}`, classIndex, features }] : [],
    ),
  );
  const { head, report } = teach(examples, { classes: classes.map(({ name }) => name) });
  const { version = "0" } = reference.meta;
  return {
    head: {
      ...head,
      report,
      backbone: { model, version, reference: Float32Array.from(reference) },
    },
    trainedMs: performance.now() - startMs,
  };
}
