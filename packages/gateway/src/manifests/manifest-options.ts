import { defaultSignatureName, type OutputHolds, type Preprocessing } from "@tensorgate/core";
import { type DetectorOptions, type FamilyName, familyNames } from "@tensorgate/tf-serving";
import { z } from "zod";
import type { ResizeOptions } from "../models/input-options.ts";
import type { ModelOptions } from "../models/options.ts";

/** What a gateway reads of the manifest of a model server: what its pictures, outputs and classes are. */
export interface ModelManifest {
  readonly weights: "trained" | "seeded" | "given";
  readonly family?: FamilyName | undefined;
  readonly detector?: DetectorOptions | undefined;
  readonly classCount?: number | undefined;
  readonly labels: readonly string[];
  readonly signatures: Readonly<Record<string, ManifestSignature>>;
}

interface ManifestSignature {
  readonly inputs: Readonly<
    Record<
      string,
      { readonly picture?: { readonly preprocessing: Pick<Preprocessing, "resize"> } | undefined }
    >
  >;
  readonly outputs: Readonly<Record<string, { readonly holds: OutputHolds }>>;
}

/** Formats that our model server decodes; TensorFlow graphs decode fewer. */
const decodedFormats = ["jpeg", "png", "gif", "webp", "avif"] as const;

const px = z.int().min(1);
const resize = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("warp"), heightPx: px, widthPx: px }),
  z.object({
    kind: z.literal("shorter-side"),
    px,
    crop: z.object({ heightPx: px, widthPx: px }),
  }),
  z.object({
    kind: z.literal("letterbox"),
    heightPx: px,
    widthPx: px,
    padValue: z.number(),
    padding: z.enum(["both-sides", "end"]),
  }),
  z.object({ kind: z.literal("fit"), shorterPx: px.optional(), longerPx: px }),
]);

/** Fields that are not here are the model server's own, and a later one may have more. */
const manifestSchema = z.object({
  weights: z.enum(["trained", "seeded", "given"]),
  family: z.enum(familyNames).optional(),
  detector: z.record(z.string(), z.unknown()).optional(),
  classCount: px.optional(),
  labels: z.array(z.string()).default([]),
  signatures: z.record(
    z.string(),
    z.object({
      inputs: z.record(
        z.string(),
        z.object({
          picture: z.object({ preprocessing: z.object({ resize }) }).optional(),
        }),
      ),
      outputs: z.record(
        z.string(),
        z.object({
          holds: z
            .enum(["probabilities", "logits", "features", "boxes", "tensor"])
            .default("tensor"),
        }),
      ),
    }),
  ),
}) as unknown as z.ZodType<ModelManifest>;

/** @throws RangeError that lists what is wrong with its path */
export function parseModelManifest(text: string): ModelManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError(`the manifest is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new RangeError(`the manifest is invalid: ${faults.join("; ")}`);
}

/** Returns the options of a model by its manifest. */
export function modelOptionsFromManifest(
  name: string,
  manifest: ModelManifest | undefined,
): ModelOptions {
  const signature = manifest?.signatures[defaultSignatureName];
  if (!manifest || !signature) return { name };
  const input = { kind: "encoded-image" as const, formats: decodedFormats };
  if (manifest.family) {
    return { name, family: manifest.family, weights: manifest.weights, input };
  }
  const picture = Object.entries(signature.inputs).find(([, each]) => each.picture);
  const outputs = Object.entries(signature.outputs).map(([output, { holds }]) => [
    output,
    { holds },
  ]);
  return {
    name,
    weights: manifest.weights,
    ...(manifest.labels.length > 0 && { labels: manifest.labels }),
    ...(manifest.detector && { detector: manifest.detector }),
    ...(manifest.classCount !== undefined && { classCount: manifest.classCount }),
    ...(picture && {
      input: {
        tensor: picture[0],
        ...input,
        ...resizeOptions(picture[1].picture?.preprocessing.resize),
      },
    }),
    output: Object.fromEntries(outputs),
  };
}

/** Returns how the model server resizes pictures, which the gateway needs to convert boxes. */
function resizeOptions(how: Preprocessing["resize"] | undefined): ResizeOptions {
  switch (how?.kind) {
    case undefined:
      return {};
    case "warp":
      return { heightPx: how.heightPx, widthPx: how.widthPx };
    case "shorter-side":
      return { ...how.crop, shorterSidePx: how.px };
    case "letterbox": {
      const { kind, ...rest } = how;
      return { resize: kind, ...rest };
    }
    case "fit": {
      const { kind, shorterPx, longerPx } = how;
      const shorterSidePx = shorterPx === undefined ? {} : { shorterSidePx: shorterPx };
      return { resize: kind, longerSidePx: longerPx, ...shorterSidePx };
    }
  }
}
