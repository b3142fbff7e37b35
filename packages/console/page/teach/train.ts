import { type Head, referencePicture, teach } from "@tensorgate/teaching";
import { client } from "../gateway.ts";
import type { TeachClass, TeachPicture } from "./teach-classes.ts";

/** Calls in flight while features are asked for. */
const concurrency = 6;

export interface Trained {
  readonly head: Head;
  readonly trainedMs: number;
  /** Pictures that cannot be read, with the reason of each. */
  readonly leftOut: readonly string[];
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
  const leftOut: string[] = [];
  const lane = async () => {
    for (let next = left.pop(); next; next = left.pop()) {
      try {
        next.features = Float32Array.from(await client.embed(model, next.blob));
      } catch (thrown) {
        const { reason, message } = thrown as { reason?: string; message: string };
        if (!ofPicture.has(reason ?? "")) {
          // The other lanes stop with this one.
          left.length = 0;
          throw thrown;
        }
        leftOut.push(`${nameOf(classes, next)}: ${message}`);
      }
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
    leftOut,
  };
}

/** Reasons of failures that are the picture's: the others can still be learned from. */
const ofPicture: ReadonlySet<string> = new Set([
  "invalid-request",
  "unsupported-media",
  "too-large",
]);

function nameOf(classes: readonly TeachClass[], picture: TeachPicture): string {
  const of = classes.find(({ pictures }) => pictures.includes(picture))?.name ?? "";
  return picture.blob instanceof File ? `${of}/${picture.blob.name}` : of;
}

/** Pictures that are named; more are counted. */
const maxNamed = 3;

/** Says which pictures were left out, for the end of a text. */
export function leftOutText(leftOut: readonly string[]): string {
  if (leftOut.length === 0) return "";
  const rest = leftOut.length - maxNamed;
  const more = rest > 0 ? ` and ${rest} more` : "";
  return ` Left out: ${leftOut.slice(0, maxNamed).join("; ")}${more}.`;
}
